// Reads HTTP/1.1 responses off a byte stream, piece by piece, without holding bodies.
// Trusts its peer: it measures servers, it does not face the world.
// Thread: one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace rivulet::bench {

struct response_head {
    int status = 0;
    bool chunked = false;
    bool terminated = false; // Lp-Trickle-Closed
    std::uint64_t content_length = 0;
    std::optional<std::int64_t> seq;
    std::optional<std::int64_t> latest;
};

class response_parser {
  public:
    enum class event { need_more, head, body, end, broken };

    // Takes the next event off the front of `bytes`; 1xx responses are skipped.
    event next(std::span<const char>& bytes);

    const response_head& head() const { return head_; }

    std::span<const char> body() const { return body_; }

  private:
    enum class state { head, sized, chunk_size, chunk_data, chunk_end, trailer, done };

    bool take_line(std::span<const char>& bytes);
    bool parse_head_line();

    state state_ = state::head;
    std::string line_;
    response_head head_;
    std::uint64_t left_ = 0;
    std::span<const char> body_;
};

} // namespace rivulet::bench
