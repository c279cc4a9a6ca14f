// Publisher and subscriber that speak trickle as real clients do: the next POST or GET is opened
// while the present one runs, on the other of two kept-alive connections.
#include "trickle_ends.hpp"
#include "trickle_response.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace rivulet::bench {

namespace {

using event = response_parser::event;

std::string request(
    const run_context& run, std::string_view method, std::uint32_t channel, std::string_view rest
) {
    return fmt::format(
        "{} {}{}-{}{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: bench\r\n",
        method,
        run.path,
        run.run,
        channel,
        rest,
        ntohs(run.peer.sin_port)
    );
}

struct lane {
    std::unique_ptr<wire> connection;
    response_parser parser{};
    std::uint32_t segment = 0;

    enum { idle, creating, open, ending, removing } doing = idle;
};

class http_publisher final : public publisher, public wire::owner {
  public:
    http_publisher(const run_context& run, std::uint32_t channel) : run_(run), channel_(channel) {
        for (auto& each : lanes_)
            each.connection = std::make_unique<wire>(run.epoll, run.peer, run.frame, *this);
        lanes_[0].doing = lane::creating;
        lanes_[0].connection->send_text(
            request(run_, "POST", channel_, "") +
            "Expect-Content: video/MP2T\r\nContent-Length: 0\r\n\r\n"
        );
    }

    bool ready() const override { return ready_; }

    bool finished() const override { return finished_; }

    bool blocked() const override { return dead_ || present().connection->blocked(); }

    void send() override {
        if (dead_)
            return;
        if (segment_due_)
            end_segment();
        message_head head;
        head.sent_ns = monotonic_ns();
        head.channel = channel_;
        head.segment = present().segment;
        head.index = index_++;
        head.size = run_.frame.size;
        present().connection->send_message(head);
    }

    // Put off to the next message while the server still owes the other lane an answer.
    void end_segment() override {
        segment_due_ = other().doing != lane::open;
        if (segment_due_ || dead_)
            return;
        end(present());
        present_ ^= 1;
        index_ = 0;
    }

    void finish() override {
        finishing_ = true;
        if (dead_)
            finished_ = true;
        else
            end(present());
    }

    void on_bytes(wire& from, std::span<const char> bytes) override {
        auto& at = lanes_[0].connection.get() == &from ? lanes_[0] : lanes_[1];
        for (;;) {
            switch (at.parser.next(bytes)) {
            case event::need_more:
                return;
            case event::head:
                if (at.parser.head().status != 200 || (!finishing_ && at.parser.head().terminated))
                    fail(fmt::format("POST answered {}", at.parser.head().status));
                break;
            case event::body:
                break;
            case event::end:
                answered(at);
                break;
            case event::broken:
                return fail("POST answered with broken HTTP");
            }
        }
    }

    void on_closed(wire&, std::string_view why) override {
        dead_ = true;
        finished_ = finishing_;
        if (!finishing_)
            fail(why);
    }

  private:
    lane& present() { return lanes_[present_]; }

    const lane& present() const { return lanes_[present_]; }

    lane& other() { return lanes_[present_ ^ 1]; }

    void open(lane& at) {
        at.doing = lane::open;
        at.segment = next_segment_++;
        at.connection->send_text(
            request(run_, "POST", channel_, fmt::format("/{}", at.segment)) +
            "Content-Type: video/MP2T\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }

    void end(lane& at) {
        at.doing = lane::ending;
        at.connection->send_text("0\r\n\r\n");
    }

    void answered(lane& at) {
        auto was = std::exchange(at.doing, lane::idle);
        if (was == lane::removing) {
            finished_ = true;
        } else if (finishing_) {
            if (was != lane::ending || &at != &present())
                return;
            at.doing = lane::removing;
            at.connection->send_text(request(run_, "DELETE", channel_, "") + "\r\n");
        } else if (was == lane::creating) {
            open(lanes_[0]);
            open(lanes_[1]);
            ready_ = true;
        } else if (was == lane::ending) {
            open(at);
        } else {
            fail("POST answered while its body was open");
        }
    }

    void fail(std::string_view why) {
        dead_ = true;
        run_.counts.problem(fmt::format("channel {}: publisher: {}", channel_, why));
    }

    const run_context& run_;
    std::uint32_t channel_;
    std::array<lane, 2> lanes_;
    unsigned present_ = 0;
    std::uint32_t next_segment_ = 0;
    std::uint32_t index_ = 0;
    bool ready_ = false;
    bool segment_due_ = false;
    bool finishing_ = false;
    bool finished_ = false;
    bool dead_ = false;
};

class http_subscriber final : public subscriber, public wire::owner {
  public:
    http_subscriber(const run_context& run, std::uint32_t channel)
        : run_(run), channel_(channel), checks_{
                                            {{run.frame, channel, run.counts},
                                             {run.frame, channel, run.counts}}} {
        for (auto& each : lanes_)
            each.connection = std::make_unique<wire>(run.epoll, run.peer, run.frame, *this);
        open(0);
    }

    bool ready() const override { return true; }

    std::uint64_t received() const override {
        return checks_[0].received() + checks_[1].received();
    }

    void on_bytes(wire& from, std::span<const char> bytes) override {
        unsigned at = lanes_[0].connection.get() == &from ? 0 : 1;
        auto& parser = lanes_[at].parser;
        for (;;) {
            switch (parser.next(bytes)) {
            case event::need_more:
                return;
            case event::head:
                begun(at, parser.head());
                break;
            case event::body:
                if (useful_[at])
                    checks_[at].feed(parser.body());
                break;
            case event::end:
                if (useful_[at] && !checks_[at].at_boundary())
                    fail("segment ended within a message");
                lanes_[at].doing = lane::idle;
                if (wanted_)
                    open(at);
                break;
            case event::broken:
                return fail("GET answered with broken HTTP");
            }
        }
    }

    void on_closed(wire&, std::string_view why) override { fail(why); }

  private:
    void open(unsigned at) {
        wanted_ = false;
        lanes_[at].doing = lane::open;
        lanes_[at].segment = next_segment_++;
        lanes_[at].connection->send_text(
            request(run_, "GET", channel_, fmt::format("/{}", lanes_[at].segment)) + "\r\n"
        );
    }

    // The head of one segment has come: ask for the next at once, when the other lane is free.
    void begun(unsigned at, const response_head& head) {
        useful_[at] = head.status == 200 && head.seq == lanes_[at].segment && !head.terminated;
        wanted_ = !head.terminated;
        if (useful_[at]) {
            checks_[at].start_segment(lanes_[at].segment);
            if (lanes_[at ^ 1].doing == lane::idle)
                open(at ^ 1);
        } else if (!head.terminated) {
            fail(fmt::format("GET {} answered {}", lanes_[at].segment, head.status));
            wanted_ = head.status == 470 && head.latest;
            if (wanted_)
                next_segment_ = static_cast<std::uint32_t>(*head.latest);
        }
    }

    void fail(std::string_view why) {
        run_.counts.problem(fmt::format("channel {}: subscriber: {}", channel_, why));
    }

    const run_context& run_;
    std::uint32_t channel_;
    std::array<lane, 2> lanes_;
    std::array<message_check, 2> checks_;
    std::array<bool, 2> useful_{};
    std::uint32_t next_segment_ = 0;
    bool wanted_ = false;
};

} // namespace

std::unique_ptr<publisher> create_http_publisher(const run_context& run, std::uint32_t channel) {
    return std::make_unique<http_publisher>(run, channel);
}

std::unique_ptr<subscriber> create_http_subscriber(const run_context& run, std::uint32_t channel) {
    return std::make_unique<http_subscriber>(run, channel);
}

} // namespace rivulet::bench
