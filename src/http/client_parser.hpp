// Reads replies out of the bytes of a connection without copying body bytes: Beast's grammar over
// shared blocks. Interim (1xx) replies are skipped, any number of them.
// Thread: the connection's shard.
// Fails with: Beast's HTTP codes for bad framing, too_large for an endless head.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"
#include "http/message.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::http {

using header_list = std::vector<std::pair<std::string, std::string>>;

struct reply_head {
    unsigned status = 0;
    header_list headers;

    // A header by name, case-insensitive; empty when absent.
    std::string_view operator[](std::string_view name) const;
    // Present at all, with whatever value.
    bool has(std::string_view name) const;
};

class reply_parser {
  public:
    reply_parser();
    ~reply_parser();
    reply_parser(reply_parser&&) noexcept;

    // Forgets the last reply. `head_only`: the request was HEAD, so no body follows.
    void expect_reply(bool head_only);

    // Where the next bytes of the connection go, and how many arrived there.
    asio::mutable_buffer room();
    error_code commit(std::size_t arrived);
    // The peer closed. Completes a body that ends so; otherwise partial_message or end_of_stream.
    error_code commit_eof();

    bool head_ready() const;
    bool done() const;
    // Something of a reply was received: it is worth waiting for the rest.
    bool begun() const;

    // Bytes beyond the reply, which no well-behaved peer sends.
    bool leftover() const { return begin_ != end_; }

    bool keep_alive() const;
    const reply_head& head() const;

    // Body bytes parsed since the last call: slices of the blocks that were read into.
    std::vector<bytes> take_body();

  private:
    struct message;

    error_code parse();
    void new_message();

    bool head_only_ = false;
    bool in_chunk_header_ = false; // part of one is waiting for the rest
    error_code failed_;
    std::unique_ptr<message> message_;
    std::vector<bytes> body_;
    std::shared_ptr<std::uint8_t[]> block_;
    std::size_t block_size_ = 0;
    std::size_t begin_ = 0; // unparsed bytes of the block
    std::size_t end_ = 0;
};

} // namespace rivulet::http
