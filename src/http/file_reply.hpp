// The reply to a GET or HEAD of something that does not change: whole, a range of it, or "you have
// it already" (RFC 9110 13 and 14). Files go out in pieces, none is ever in memory whole.
// Thread: the connection's shard.
#pragma once

#include "base/bytes.hpp"
#include "base/off_shard.hpp"
#include "http/client_parser.hpp"
#include "http/exchange.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rivulet::http {

// An open file; closed with its last owner.
class shared_file {
  public:
    explicit shared_file(int descriptor) : descriptor_(descriptor) {}

    ~shared_file();
    shared_file(const shared_file&) = delete;
    shared_file& operator=(const shared_file&) = delete;

    int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
};

struct file_reply {
    std::variant<bytes, std::shared_ptr<shared_file>> content;
    std::uint64_t size = 0;
    std::string content_type;
    std::string etag;    // with its quotes; empty: none, and nothing is conditional
    header_list headers; // further ones: Cache-Control, Content-Disposition, …
    duration silence = std::chrono::seconds(60); // how long the peer may take no further byte
    // The bodies of 412 and 416; empty: error_response().
    std::function<response(status, std::string_view message)> error_body;
    // Files are read there, so that a slow disk never holds up a shard; null: on the shard.
    blocking_threads* disk = nullptr;

    file_reply() {}

    explicit file_reply(bytes block) : content(block), size(block.size()) {}

    file_reply(std::shared_ptr<shared_file> file, std::uint64_t length)
        : content(std::move(file)), size(length) {}
};

// Part of something, both ends within it.
struct byte_range {
    std::uint64_t first = 0, last = 0;

    byte_range() {}

    byte_range(std::uint64_t f, std::uint64_t l) : first(f), last(l) {}

    bool operator==(const byte_range&) const = default;
};

struct range_wish {
    bool unsatisfiable = false;      // 416
    std::optional<byte_range> range; // empty: all of it

    range_wish() {}
};

// What a Range header wants of `size` bytes. What is malformed, of another unit, or more than one
// range wants all of it, as RFC 9110 allows.
range_wish parse_range(std::string_view header, std::uint64_t size);

// True when the list of an If-None-Match or If-Match holds the tag; `*` holds all. `weak`: W/ makes
// no difference.
bool names_etag(std::string_view list, std::string_view etag, bool weak);

// 200, 206, 304, 412 or 416. Fails when the peer leaves or the file can't be read: the connection
// is closed then.
awaitable<error_code> send_file(exchange& peer, file_reply what);

} // namespace rivulet::http
