// RTMP chunk streams: bytes to messages and back. No I/O.
// Fails with: protocol_violation, too_large (a message, or all unfinished ones together), too_many
// (chunk streams).
#pragma once

#include "base/error.hpp"
#include "ingest/rtmp_message.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace rivulet::ingest {

inline constexpr std::uint32_t rtmp_default_chunk_size = 128;

struct rtmp_chunk_limits {
    std::size_t message_bytes = 8u << 20;
    std::size_t chunk_streams = 64;
    // Of all unfinished messages together; 0 is twice message_bytes.
    std::size_t unfinished_bytes = 0;
};

class rtmp_chunk_reader {
  public:
    explicit rtmp_chunk_reader(rtmp_chunk_limits limits) : limits_(limits) {}

    // Appends the messages that became whole. Set-chunk-size and abort are obeyed here and not
    // handed on. After an error the connection is of no use.
    error_code receive(std::span<const std::uint8_t> in, std::vector<rtmp_message>& out);

    std::uint32_t chunk_size() const { return chunk_size_; }

    // For what follows; a peer that was admitted may send more.
    void set_limits(rtmp_chunk_limits limits) { limits_ = limits; }

    // Bytes of unfinished messages that are held.
    std::size_t unfinished() const { return unfinished_; }

    // A number that names the oldest message whose end is still awaited; 0: there is none.
    std::uint64_t oldest_unfinished() const;

  private:
    struct chunk_stream {
        std::uint32_t timestamp = 0;
        std::uint32_t delta = 0;    // what a type 3 header adds
        std::uint32_t extended = 0; // value of the last extended field
        bool has_extended = false;
        std::uint32_t length = 0;
        std::uint8_t type = 0;
        std::uint32_t stream = 0;
        bool seen = false;
        std::vector<std::uint8_t> partial;
        bool in_message = false;
        std::uint64_t number = 0; // of the message in progress, see oldest_unfinished()
    };

    std::size_t header_length() const;
    error_code header_complete();
    error_code begin_chunk(chunk_stream& cs);
    error_code message_complete(std::vector<rtmp_message>& out);
    void discard(chunk_stream& cs);
    error_code payload(std::span<const std::uint8_t>& in, std::vector<rtmp_message>& out);

    rtmp_chunk_limits limits_;
    std::uint32_t chunk_size_ = rtmp_default_chunk_size;
    std::map<std::uint32_t, chunk_stream> streams_;
    std::size_t unfinished_ = 0; // bytes in partial messages
    std::uint64_t messages_ = 0; // begun so far

    std::array<std::uint8_t, 18> header_{};
    std::size_t header_size_ = 0;
    chunk_stream* current_ = nullptr; // set while its payload is read
    std::uint32_t current_id_ = 0;
    std::size_t chunk_left_ = 0;
    std::vector<std::uint8_t> pushed_back_; // read as an extended timestamp, but payload
};

// What a gather-write sends: small headers that it owns, between payloads that it keeps alive.
class rtmp_gather {
  public:
    std::span<std::uint8_t> add_header(std::size_t size);
    void add_payload(const bytes& owner, std::size_t offset, std::size_t length);
    // Bytes that are in RTMP form already (control messages).
    void add_raw(bytes raw);

    const std::vector<std::span<const std::uint8_t>>& parts() const { return parts_; }

    std::size_t size() const { return size_; }

    void clear();

  private:
    std::deque<std::array<std::uint8_t, 18>> headers_;
    std::vector<bytes> kept_;
    std::vector<std::span<const std::uint8_t>> parts_;
    std::size_t size_ = 0;
};

// Every message begins with a full header, so messages do not depend on each other.
class rtmp_chunk_writer {
  public:
    explicit rtmp_chunk_writer(std::uint32_t chunk_size = rtmp_default_chunk_size)
        : chunk_size_(chunk_size) {}

    // For messages that follow; tell the peer with a set_chunk_size message first.
    void set_chunk_size(std::uint32_t size) { chunk_size_ = size; }

    void append(rtmp_gather& out, const rtmp_message& message) const;
    void append(std::vector<std::uint8_t>& out, const rtmp_message& message) const;

  private:
    std::uint32_t chunk_size_;
};

} // namespace rivulet::ingest
