// The messages that the benchmark sends, and the check of what comes out at a subscriber.
// A message is a head (below, as it lies in memory: both ends are this machine) and a fixed
// pattern; all messages of a run have one size.
// Thread: one.
#pragma once

#include "trickle_latency.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rivulet::bench {

inline constexpr std::uint64_t message_magic = 0x7431636b6c65212e;

struct message_head {
    std::uint64_t magic = message_magic;
    std::uint64_t sent_ns = 0; // CLOCK_MONOTONIC when the message was handed to the socket queue
    std::uint32_t channel = 0;
    std::uint32_t segment = 0;
    std::uint32_t index = 0; // within its segment
    std::uint32_t size = 0;
};

static_assert(sizeof(message_head) == 32);

std::uint64_t monotonic_ns();

// What surrounds and follows the head of each message on the wire; shared by all publishers.
struct message_frame {
    std::string before; // an HTTP chunk's size line, or nothing
    std::string after;  // the pattern, and the end of the chunk
    std::string_view pattern;
    std::uint32_t size;

    enum class framing { raw, chunk };
    message_frame(framing kind, std::uint32_t message_bytes);
    message_frame(const message_frame&) = delete;
    message_frame& operator=(const message_frame&) = delete;
};

// What all subscribers of a run saw.
struct run_counts {
    latency_histogram latency;
    std::uint64_t delivered = 0; // messages, whole and right
    std::uint64_t problems = 0;  // wrong content, wrong order, wrong reply, lost connection
    std::string first_problem;

    void problem(std::string_view what) {
        if (problems++ == 0)
            first_problem = what;
    }
};

// Checks one byte stream of messages.
class message_check {
  public:
    message_check(const message_frame& frame, std::uint32_t channel, run_counts& counts)
        : frame_(frame), counts_(counts), channel_(channel) {}

    // Expect the first message of a segment next.
    void start_segment(std::uint32_t segment);

    // Messages of the next segment may follow without a sign (raw streams have no segments).
    void allow_next_segment() { may_advance_ = true; }

    void feed(std::span<const char> bytes);

    // False in the middle of a message.
    bool at_boundary() const { return have_ == 0; }

    std::uint64_t received() const { return received_; }

  private:
    void check_head();
    void finish_message();

    const message_frame& frame_;
    run_counts& counts_;
    std::uint32_t channel_;
    bool may_advance_ = false;

    std::uint32_t segment_ = 0;
    std::uint32_t index_ = 0;
    std::array<char, sizeof(message_head)> head_bytes_{};
    message_head head_;
    std::uint32_t have_ = 0;
    bool good_ = true;
    std::uint64_t received_ = 0;
};

} // namespace rivulet::bench
