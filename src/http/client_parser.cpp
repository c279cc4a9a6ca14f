#include "http/client_parser.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cstring>

namespace rivulet::http {
namespace {

using beast_view = boost::beast::string_view;

constexpr std::size_t first_block = 4 * 1024;
constexpr std::size_t largest_block = 64 * 1024;
constexpr std::size_t least_room = 1024;
constexpr std::uint32_t head_limit = 16 * 1024;

} // namespace

std::string_view reply_head::operator[](std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (boost::beast::iequals({key.data(), key.size()}, {name.data(), name.size()}))
            return value;
    return {};
}

bool reply_head::has(std::string_view name) const {
    return (*this)[name].data() != nullptr;
}

struct reply_parser::message final : beast_http::basic_parser<false> {
    reply_head head;
    bool head_complete = false;
    std::vector<beast_view> body;

    void on_request_impl(verb, beast_view, beast_view, int, error_code&) override {}

    void on_response_impl(int code, beast_view, int, error_code&) override {
        head.status = static_cast<unsigned>(code);
    }

    void on_field_impl(field, beast_view name, beast_view value, error_code&) override {
        // Trailer fields come after the body and mean nothing here.
        if (!head_complete)
            head.headers.emplace_back(name, value);
    }

    void on_header_impl(error_code&) override { head_complete = true; }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

    std::size_t on_body_impl(beast_view piece, error_code&) override {
        body.push_back(piece);
        return piece.size();
    }

    void on_chunk_header_impl(std::uint64_t, beast_view, error_code&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, beast_view piece, error_code&) override {
        body.push_back(piece);
        return piece.size();
    }

    void on_finish_impl(error_code&) override {}
};

reply_parser::reply_parser() {
    new_message();
}

reply_parser::~reply_parser() = default;
reply_parser::reply_parser(reply_parser&&) noexcept = default;

void reply_parser::new_message() {
    message_ = std::make_unique<message>();
    in_chunk_header_ = false;
    message_->header_limit(head_limit);
    message_->body_limit(boost::none);
    message_->eager(true);
    message_->skip(head_only_);
}

void reply_parser::expect_reply(bool head_only) {
    head_only_ = head_only;
    body_.clear();
    new_message();
}

asio::mutable_buffer reply_parser::room() {
    if (begin_ == end_ && block_ && block_.use_count() == 1)
        begin_ = end_ = 0; // nobody holds a slice of it
    if (!block_ || block_size_ - end_ < least_room) {
        const auto rest = end_ - begin_;
        auto size = block_ ? std::min(block_size_ * 2, largest_block) : first_block;
        size = std::max(size, 2 * rest);
        auto larger = std::make_shared_for_overwrite<std::uint8_t[]>(size);
        if (rest > 0)
            std::memcpy(larger.get(), block_.get() + begin_, rest);
        block_ = std::move(larger);
        block_size_ = size;
        begin_ = 0;
        end_ = rest;
    }
    return {block_.get() + end_, block_size_ - end_};
}

error_code reply_parser::commit(std::size_t arrived) {
    end_ += arrived;
    return parse();
}

error_code reply_parser::parse() {
    while (!failed_ && begin_ != end_ && !message_->is_done()) {
        // Beast asserts that an empty last chunk, once begun, comes again with all of its 5 bytes.
        if (in_chunk_header_ && end_ - begin_ < 5)
            break;
        const auto* first = block_.get() + begin_;
        error_code ec;
        const auto used = message_->put(asio::const_buffer(first, end_ - begin_), ec);
        begin_ += used;
        for (const auto piece : message_->body)
            if (!piece.empty())
                body_.emplace_back(
                    block_,
                    std::span(reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size())
                );
        message_->body.clear();
        if (ec == beast_http::error::need_more) {
            in_chunk_header_ = message_->head_complete && begin_ != end_;
            break;
        }
        in_chunk_header_ = false;
        if (ec == beast_http::error::header_limit)
            failed_ = make_error_code(errc::too_large);
        else if (ec)
            failed_ = make_error_code(errc::protocol_violation);
        else if (message_->is_done() && message_->head.status / 100 == 1)
            new_message(); // interim reply: the real one follows
    }
    // A chunk header has no limit in Beast: an endless one must not fill the memory.
    if (!failed_ && end_ - begin_ > largest_block && !message_->is_done())
        failed_ = make_error_code(errc::too_large);
    return failed_;
}

error_code reply_parser::commit_eof() {
    if (failed_)
        return failed_;
    if (!message_->got_some())
        return asio::error::eof;
    error_code ec;
    if (!message_->is_done())
        message_->put_eof(ec);
    failed_ = ec ? error_code(asio::error::eof) : error_code();
    return failed_;
}

bool reply_parser::head_ready() const {
    return message_->head_complete;
}

bool reply_parser::done() const {
    return message_->is_done();
}

bool reply_parser::begun() const {
    return begin_ != end_ || message_->got_some() || message_->head_complete;
}

bool reply_parser::keep_alive() const {
    return message_->is_header_done() && message_->keep_alive();
}

const reply_head& reply_parser::head() const {
    return message_->head;
}

std::vector<bytes> reply_parser::take_body() {
    return std::exchange(body_, {});
}

} // namespace rivulet::http
