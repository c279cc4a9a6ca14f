#include "http/client.hpp"

#include "base/deadline.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/http/verb.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace rivulet::http {
namespace {

// Trust stores are read from disk, so the checking context is made once.
outcome<tls_context> system_trust() {
    static const auto context = client_tls(tls_verify::full);
    return context;
}

bool one_line(std::string_view text) {
    return text.find_first_of("\r\n") == text.npos;
}

std::string to_text(const client_request& request, const http_url& peer, std::string_view agent) {
    std::string text(boost::beast::http::to_string(request.method));
    text.append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ").append(peer.authority);
    text.append("\r\nUser-Agent: ").append(agent).append("\r\n");
    for (const auto& [name, value] : request.headers)
        text.append(name).append(": ").append(value).append("\r\n");
    if (request.chunked)
        text.append("Transfer-Encoding: chunked\r\n");
    else if (request.length)
        text.append("Content-Length: ").append(std::to_string(*request.length)).append("\r\n");
    else if (!request.body.empty() || request.method == verb::post || request.method == verb::put)
        text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    text.append("\r\n");
    return text;
}

} // namespace

failure describe_failure(error_code code, const http_url& peer, std::string_view during) {
    std::string cause;
    if (code == errc::tls_failed)
        cause = "TLS handshake failed or the certificate is not trusted";
    else if (code == errc::timed_out)
        cause = "no answer in time";
    else if (code == asio::error::eof)
        cause = "the peer closed the connection";
    else if (code == errc::unauthorized)
        cause = "a host of this machine or of a private network is not allowed";
    else if (code == errc::protocol_violation)
        cause = "the peer's answer is not valid HTTP";
    else
        cause = code.message();
    std::transform(cause.begin(), cause.begin() + 1, cause.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    if (cause.rfind("tLS", 0) == 0)
        cause[0] = 'T';
    return {code, std::string(during) + " " + peer.endpoint() + ": " + cause};
}

client_connection::client_connection(http::stream stream, http_url peer, client_options options)
    : stream_(std::move(stream)), peer_(std::move(peer)), options_(std::move(options)) {}

client_connection::~client_connection() {
    close();
}

awaitable<outcome<connection_ptr>> client_connection::open(http_url peer, client_options options) {
    tls_context tls;
    if (peer.secure) {
        tls = options.tls;
        if (!tls) {
            auto trust = system_trust();
            if (!trust)
                co_return trust.error();
            tls = *trust;
        }
    }
    auto stream = co_await stream::connect(
        peer.host, peer.port, tls, options.connect_timeout, options.allowed
    );
    if (!stream) {
        const auto code = stream.error();
        auto why = describe_failure(code, peer, "can't connect to");
        // Callers tell the kinds apart by code; the cause stays in the text.
        if (code != errc::tls_failed && code != errc::timed_out && code != errc::cancelled &&
            code != errc::unauthorized && code != asio::error::operation_aborted)
            why.code = make_error_code(errc::connect_failed);
        co_return why;
    }
    co_return std::make_shared<client_connection>(
        std::move(*stream), std::move(peer), std::move(options)
    );
}

namespace {

awaitable<result<std::size_t>> write_rest(stream& to, std::vector<asio::const_buffer> buffers) {
    auto failed = co_await to.write(std::span<const asio::const_buffer>(buffers));
    if (failed)
        co_return failed;
    co_return std::size_t{0};
}

} // namespace

awaitable<error_code> client_connection::write_all(std::vector<asio::const_buffer> buffers) {
    if (broken_ || !stream_.is_open())
        co_return make_error_code(errc::closed);
    broken_ = true; // until all of it is out: a cancelled write leaves half a chunk behind
    auto now = stream_.write_now(buffers);
    if (!now)
        co_return now.error();
    std::size_t taken = *now;
    auto first = buffers.begin();
    while (first != buffers.end() && taken >= first->size()) {
        taken -= first->size();
        ++first;
    }
    if (first != buffers.end()) {
        *first += taken;
        buffers.erase(buffers.begin(), first);
        auto rest = write_rest(stream_, std::move(buffers));
        auto written = co_await with_deadline(std::move(rest), options_.write_timeout);
        if (!written)
            co_return written.error();
    }
    broken_ = false;
    co_return error_code{};
}

awaitable<error_code> client_connection::send(client_request request) {
    bool clean = one_line(request.target) && !request.target.empty();
    for (const auto& [name, value] : request.headers)
        clean = clean && one_line(name) && one_line(value);
    const bool follows = request.chunked || request.length.has_value();
    if (!clean || (follows && !request.body.empty()))
        co_return make_error_code(errc::invalid_argument);
    ++requests_;
    parser_.expect_reply(request.method == verb::head);
    body_left_ = request.length.value_or(0);
    body_ended_ = !request.chunked && body_left_ == 0;
    const auto head = to_text(request, peer_, options_.user_agent);
    std::vector<asio::const_buffer> buffers{asio::buffer(head)};
    if (!request.body.empty())
        buffers.push_back(asio::buffer(request.body));
    co_return co_await write_all(std::move(buffers));
}

awaitable<error_code> client_connection::write_chunk(std::vector<bytes> blocks, bool last) {
    std::size_t total = 0;
    for (const auto& block : blocks)
        total += block.size();
    if (total == 0 && !last)
        co_return error_code{};
    std::array<char, 20> size_line;
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(blocks.size() + 2);
    if (total > 0) {
        auto end = std::to_chars(size_line.data(), size_line.data() + 16, total, 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        buffers.emplace_back(size_line.data(), static_cast<std::size_t>(end - size_line.data()));
        for (const auto& block : blocks)
            if (!block.empty())
                buffers.emplace_back(block.data(), block.size());
    }
    static constexpr std::string_view end_of_chunk = "\r\n";
    static constexpr std::string_view end_of_both = "\r\n0\r\n\r\n";
    static constexpr std::string_view end_of_body = "0\r\n\r\n";
    const auto tail = total == 0 ? end_of_body : last ? end_of_both : end_of_chunk;
    buffers.emplace_back(tail.data(), tail.size());
    auto failed = co_await write_all(std::move(buffers));
    if (!failed && last)
        body_ended_ = true;
    co_return failed;
}

awaitable<error_code> client_connection::write_body(std::vector<bytes> blocks) {
    std::uint64_t total = 0;
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(blocks.size());
    for (const auto& block : blocks) {
        total += block.size();
        if (!block.empty())
            buffers.emplace_back(block.data(), block.size());
    }
    if (total > body_left_)
        co_return make_error_code(errc::invalid_argument);
    if (total == 0)
        co_return error_code{};
    auto failed = co_await write_all(std::move(buffers));
    if (failed)
        co_return failed;
    body_left_ -= total;
    body_ended_ = body_left_ == 0;
    co_return error_code{};
}

awaitable<error_code> client_connection::end_body() {
    if (body_ended_)
        co_return error_code{};
    co_return co_await write_chunk({}, true);
}

namespace {

// One read, parsed at once: when a deadline passes in the same moment, what arrived is not lost.
awaitable<result<std::size_t>> read_once(stream& from, reply_parser& parser) {
    auto got = co_await from.read_some(parser.room());
    if (!got) {
        auto failed = got.error();
        if (failed == asio::error::eof)
            failed = parser.commit_eof();
        if (failed)
            co_return failed;
        co_return std::size_t{0};
    }
    auto failed = parser.commit(*got);
    if (failed)
        co_return failed;
    co_return *got;
}

} // namespace

awaitable<error_code> client_connection::read_more(duration limit) {
    auto read = read_once(stream_, parser_);
    if (limit == duration::max()) {
        auto got = co_await std::move(read);
        co_return got ? error_code{} : got.error();
    }
    auto got = co_await with_deadline(std::move(read), limit);
    co_return got ? error_code{} : got.error();
}

awaitable<error_code> client_connection::read_head(duration limit) {
    const auto until = limit == duration::max() ? time_point::max() : steady_clock::now() + limit;
    while (!parser_.head_ready()) {
        const auto left =
            until == time_point::max() ? duration::max() : until - steady_clock::now();
        if (left <= duration::zero())
            co_return make_error_code(errc::timed_out);
        auto failed = co_await read_more(left);
        if (failed && !parser_.head_ready())
            co_return failed;
    }
    co_return error_code{};
}

awaitable<result<std::vector<bytes>>> client_connection::read_body(duration limit) {
    const auto until = limit == duration::max() ? time_point::max() : steady_clock::now() + limit;
    for (;;) {
        auto pieces = parser_.take_body();
        if (!pieces.empty() || parser_.done())
            co_return std::move(pieces);
        const auto left =
            until == time_point::max() ? duration::max() : until - steady_clock::now();
        if (left <= duration::zero())
            co_return make_error_code(errc::timed_out);
        auto failed = co_await read_more(left);
        if (failed) {
            pieces = parser_.take_body();
            if (pieces.empty())
                co_return failed;
            co_return std::move(pieces); // the failure comes again with the next call
        }
    }
}

awaitable<result<std::string>> client_connection::read_text(std::size_t max, duration limit) {
    const auto until = limit == duration::max() ? time_point::max() : steady_clock::now() + limit;
    std::string text;
    for (;;) {
        const auto left =
            until == time_point::max() ? duration::max() : until - steady_clock::now();
        auto pieces = co_await read_body(left);
        if (!pieces)
            co_return pieces.error();
        for (const auto& piece : *pieces) {
            if (piece.size() > max - text.size())
                co_return make_error_code(errc::too_large);
            text += piece.text();
        }
        if (pieces->empty())
            co_return std::move(text);
    }
}

bool client_connection::reusable() const {
    return !broken_ && body_ended_ && requests_ > 0 && stream_.is_open() && parser_.done() &&
           parser_.keep_alive() && !parser_.leftover();
}

void client_connection::close() {
    broken_ = true;
    stream_.close();
}

namespace {

awaitable<outcome<response>> fetch_all(
    client_options options,
    verb method,
    std::string url,
    header_list headers,
    std::string body,
    std::size_t max_body
) {
    auto peer = parse_http_url(url);
    if (!peer)
        co_return peer.error();
    auto opened = co_await client_connection::open(*peer, std::move(options));
    if (!opened)
        co_return opened.error();
    auto connection = std::move(*opened);
    client_request request(method, peer->target());
    request.headers = std::move(headers);
    request.headers.emplace_back("Connection", "close");
    request.body = std::move(body);
    auto unsent = co_await connection->send(std::move(request));
    if (unsent == errc::invalid_argument)
        co_return failure(unsent, "a header or the target contains a line break");
    // A peer that refuses the body answers early and stops reading: its answer counts more.
    auto failed = co_await connection->read_head();
    if (failed)
        co_return describe_failure(unsent ? unsent : failed, *peer, "request to");
    auto text = co_await connection->read_text(max_body, duration::max());
    if (!text) {
        if (text.error() == errc::too_large)
            co_return failure(
                errc::too_large,
                "the answer of " + peer->endpoint() + " is longer than " +
                    std::to_string(max_body) + " bytes"
            );
        co_return describe_failure(text.error(), *peer, "answer of");
    }
    response made;
    made.status = static_cast<http::status>(connection->head().status);
    made.body = std::move(*text);
    made.content_type = std::string(connection->head()["Content-Type"]);
    made.headers = connection->head().headers;
    co_return std::move(made);
}

} // namespace

awaitable<outcome<response>> fetch(
    client_options options,
    verb method,
    std::string url,
    header_list headers,
    std::string body,
    duration limit,
    std::size_t max_body
) {
    using namespace asio::experimental::awaitable_operators;
    auto peer = parse_http_url(url);
    auto work = fetch_all(
        std::move(options), method, std::move(url), std::move(headers), std::move(body), max_body
    );
    auto either = co_await (std::move(work) || expire_after(limit));
    if (either.index() == 1)
        co_return describe_failure(make_error_code(errc::timed_out), *peer, "request to");
    co_return std::move(std::get<0>(either));
}

} // namespace rivulet::http
