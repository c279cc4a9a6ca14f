#include "trickle_message.hpp"

#include <fmt/format.h>

#include <cstring>
#include <ctime>

namespace rivulet::bench {

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

message_frame::message_frame(framing kind, std::uint32_t message_bytes) : size(message_bytes) {
    std::uint32_t noise = 1;
    after.resize(message_bytes - sizeof(message_head));
    for (char& c : after) {
        noise = noise * 1664525 + 1013904223;
        c = static_cast<char>(noise >> 24);
    }
    if (kind == framing::chunk) {
        before = fmt::format("{:x}\r\n", message_bytes);
        after += "\r\n";
    }
    pattern = std::string_view(after).substr(0, message_bytes - sizeof(message_head));
}

void message_check::start_segment(std::uint32_t segment) {
    segment_ = segment;
    index_ = 0;
    have_ = 0;
}

void message_check::feed(std::span<const char> bytes) {
    while (!bytes.empty()) {
        std::size_t take = 0;
        if (have_ < sizeof(message_head)) {
            take = std::min(bytes.size(), sizeof(message_head) - have_);
            std::memcpy(head_bytes_.data() + have_, bytes.data(), take);
            if (have_ + take == sizeof(message_head))
                check_head();
        } else {
            take = std::min<std::size_t>(bytes.size(), frame_.size - have_);
            auto pattern = frame_.pattern.data() + (have_ - sizeof(message_head));
            good_ = good_ && std::memcmp(pattern, bytes.data(), take) == 0;
        }
        have_ += static_cast<std::uint32_t>(take);
        bytes = bytes.subspan(take);
        if (have_ == frame_.size)
            finish_message();
    }
}

void message_check::check_head() {
    std::memcpy(&head_, head_bytes_.data(), sizeof head_);
    if (may_advance_ && head_.segment == segment_ + 1 && head_.index == 0) {
        ++segment_;
        index_ = 0;
    }
    good_ = head_.magic == message_magic && head_.channel == channel_ &&
            head_.segment == segment_ && head_.index == index_ && head_.size == frame_.size;
    // A missing message is one problem, not one for each that follows.
    if (head_.magic == message_magic)
        index_ = head_.index;
}

void message_check::finish_message() {
    have_ = 0;
    ++received_;
    if (good_) {
        ++counts_.delivered;
        counts_.latency.record(monotonic_ns() - head_.sent_ns);
    } else {
        counts_.problem(fmt::format(
            "channel {} segment {} message {}: wrong content or order", channel_, segment_, index_
        ));
    }
    ++index_;
}

} // namespace rivulet::bench
