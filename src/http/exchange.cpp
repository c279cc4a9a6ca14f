#include "http/exchange.hpp"

#include "http/target.hpp"

#include <boost/beast/http/status.hpp>

#include <array>

namespace rivulet::http {

exchange::exchange(stream& connection, request_reader& reader, bool cors, duration write_limit)
    : connection_(connection), reader_(reader), cors_(cors), write_limit_(write_limit) {}

std::string_view exchange::path() const {
    return split(header().target()).path;
}

std::string_view exchange::operator[](std::string_view name) const {
    const auto found = header().find(name);
    if (found == header().end())
        return {};
    return found->value();
}

bool exchange::head_only() const {
    return header().method() == verb::head;
}

bool exchange::chunked() const {
    return header().version() >= 11;
}

void exchange::finished(after_reply then) {
    answered_ = true;
    // Without an end of the body the next request can't be found; HTTP/1.0 bodies end with the
    // connection.
    then_ = reader_.body_done() && reader_.keep_alive() ? then : after_reply::close;
}

void exchange::add_common(std::string& head, const response& message) const {
    const auto add = [&head](std::string_view name, std::string_view value) {
        head += name;
        head += ": ";
        // A value with a line break would forge headers.
        for (const char c : value)
            head += c == '\r' || c == '\n' ? ' ' : c;
        head += "\r\n";
    };
    if (cors_)
        add("Access-Control-Allow-Origin", "*");
    if (!message.content_type.empty())
        add("Content-Type", message.content_type);
    for (const auto& [name, value] : message.headers)
        if (!cors_ || name != "Access-Control-Allow-Origin") // twice it means nothing to browsers
            add(name, value);
}

namespace {

std::string status_line(const response& message, unsigned version) {
    const auto code = static_cast<unsigned>(message.status);
    std::string line = version >= 11 ? "HTTP/1.1 " : "HTTP/1.0 ";
    line += std::to_string(code);
    line += ' ';
    const std::string_view reason = beast_http::obsolete_reason(message.status);
    line += reason == "<unknown-status>" ? std::string_view("Status") : reason;
    line += "\r\n";
    return line;
}

} // namespace

std::string exchange::render(const response& message, after_reply then) const {
    auto text = status_line(message, header().version());
    add_common(text, message);
    const auto code = static_cast<unsigned>(message.status);
    if (code >= 200 && code != 204 && code != 304)
        text += "Content-Length: " + std::to_string(message.body.size()) + "\r\n";
    add_connection(text, then);
    if (!head_only())
        text += message.body;
    return text;
}

std::string exchange::sized_head(const response& message, std::uint64_t length) const {
    auto text = status_line(message, header().version());
    add_common(text, message);
    text += "Content-Length: " + std::to_string(length) + "\r\n";
    add_connection(text, after_reply::keep_alive);
    return text;
}

// Ends the head.
void exchange::add_connection(std::string& text, after_reply then) const {
    const bool close = then == after_reply::close || !reader_.keep_alive() || !reader_.body_done();
    if (close)
        text += "Connection: close\r\n";
    else if (header().version() < 11)
        text += "Connection: keep-alive\r\n";
    text += "\r\n";
}

// A peer that asks and never reads would hold the connection for ever.
awaitable<error_code> exchange::send(std::string_view text) {
    connection_.expires_after(write_limit_);
    auto failed = co_await connection_.write(asio::buffer(text));
    connection_.expires_after(duration::max());
    co_return failed;
}

awaitable<error_code> exchange::invite_body() {
    static constexpr std::string_view proceed = "HTTP/1.1 100 Continue\r\n\r\n";
    if ((*this)["Expect"].empty() || reader_.body_done())
        co_return error_code{};
    co_return co_await send(proceed);
}

awaitable<error_code> exchange::reply(response message, after_reply then) {
    const auto text = render(message, then);
    finished(then);
    auto failed = co_await send(text);
    if (failed)
        then_ = after_reply::close;
    co_return failed;
}

std::string exchange::streaming_head(const response& message) const {
    auto text = status_line(message, header().version());
    add_common(text, message);
    if (chunked())
        text += "Transfer-Encoding: chunked\r\n";
    if (!reader_.keep_alive() || !chunked() || !reader_.body_done())
        text += "Connection: close\r\n";
    text += "\r\n";
    return text;
}

} // namespace rivulet::http
