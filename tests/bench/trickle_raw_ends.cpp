// Publisher and subscriber of the floor: the same messages with nothing around them.
#include "trickle_ends.hpp"

#include <fmt/format.h>

namespace rivulet::bench {

namespace {

std::string hello(char role, std::uint32_t channel) {
    return fmt::format("{}{:07}", role, channel);
}

class raw_publisher final : public publisher, public wire::owner {
  public:
    raw_publisher(const run_context& run, std::uint32_t channel)
        : run_(run), channel_(channel), wire_(run.epoll, run.peer, run.frame, *this) {
        wire_.send_text(hello('P', channel));
    }

    bool ready() const override { return echoed_ == raw_hello_bytes; }

    bool finished() const override { return true; }

    bool blocked() const override { return wire_.blocked(); }

    void send() override {
        message_head head;
        head.sent_ns = monotonic_ns();
        head.channel = channel_;
        head.segment = segment_;
        head.index = index_++;
        head.size = run_.frame.size;
        wire_.send_message(head);
    }

    void end_segment() override {
        ++segment_;
        index_ = 0;
    }

    void finish() override {}

    void on_bytes(wire&, std::span<const char> bytes) override { echoed_ += bytes.size(); }

    void on_closed(wire&, std::string_view why) override { run_.counts.problem(why); }

  private:
    const run_context& run_;
    std::uint32_t channel_;
    wire wire_;
    std::size_t echoed_ = 0;
    std::uint32_t segment_ = 0;
    std::uint32_t index_ = 0;
};

class raw_subscriber final : public subscriber, public wire::owner {
  public:
    raw_subscriber(const run_context& run, std::uint32_t channel)
        : run_(run), check_(run.frame, channel, run.counts),
          wire_(run.epoll, run.peer, run.frame, *this) {
        check_.allow_next_segment();
        wire_.send_text(hello('S', channel));
    }

    bool ready() const override { return echoed_ == raw_hello_bytes; }

    std::uint64_t received() const override { return check_.received(); }

    void on_bytes(wire&, std::span<const char> bytes) override {
        auto echo = std::min(bytes.size(), raw_hello_bytes - echoed_);
        echoed_ += echo;
        check_.feed(bytes.subspan(echo));
    }

    void on_closed(wire&, std::string_view why) override { run_.counts.problem(why); }

  private:
    const run_context& run_;
    message_check check_;
    wire wire_;
    std::size_t echoed_ = 0;
};

} // namespace

std::unique_ptr<publisher> create_raw_publisher(const run_context& run, std::uint32_t channel) {
    return std::make_unique<raw_publisher>(run, channel);
}

std::unique_ptr<subscriber> create_raw_subscriber(const run_context& run, std::uint32_t channel) {
    return std::make_unique<raw_subscriber>(run, channel);
}

} // namespace rivulet::bench
