#include "support/fake_batch_orchestrator.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <stdexcept>

namespace rivulet::test {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 10s;
constexpr std::size_t most_of_a_body = 200u << 20;

std::string little_endian(std::uint32_t value, int size) {
    std::string out;
    for (int i = 0; i < size; ++i)
        out += static_cast<char>(value >> (8 * i) & 255);
    return out;
}

std::string silence_as_wav() {
    constexpr std::uint32_t rate = 8000, size = 2 * rate * 2; // two seconds of 16 bits
    const std::string samples(size, '\0');
    return "RIFF" + little_endian(36 + size, 4) + "WAVEfmt " + little_endian(16, 4) +
           little_endian(1, 2) + little_endian(1, 2) + little_endian(rate, 4) +
           little_endian(rate * 2, 4) + little_endian(2, 2) + little_endian(16, 2) + "data" +
           little_endian(size, 4) + samples;
}

std::string from_hex_text(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

// "name" of `form-data; name="image"; filename="a.png"`. On purpose not the product's own reader.
std::string quoted_after(std::string_view text, std::string_view mark) {
    const auto at = text.find(mark);
    if (at == text.npos)
        return {};
    const auto begin = at + mark.size();
    return std::string(text.substr(begin, text.find('"', begin) - begin));
}

std::vector<batch_part> parts_of(std::string_view type, std::string_view body) {
    std::vector<batch_part> out;
    const auto at = type.find("boundary=");
    if (at == type.npos)
        return out;
    auto boundary = std::string(type.substr(at + 9));
    if (boundary.starts_with('"'))
        boundary = boundary.substr(1, boundary.find('"', 1) - 1);
    const auto mark = "\r\n--" + boundary;
    if (!body.starts_with(mark.substr(2)))
        return out;
    body.remove_prefix(mark.size() - 2);
    while (body.starts_with("\r\n")) {
        const auto head_end = body.find("\r\n\r\n");
        const auto end = body.find(mark);
        if (head_end == body.npos || end == body.npos || head_end > end)
            break;
        const auto head = body.substr(0, head_end + 2);
        batch_part part;
        part.name = quoted_after(head, " name=\"");
        part.filename = quoted_after(head, "filename=\"");
        part.is_file = head.find("filename=") != head.npos;
        if (const auto found = boost::algorithm::ifind_first(head, "Content-Type: "))
            part.content_type = std::string(found.end(), std::find(found.end(), head.end(), '\r'));
        part.value = std::string(body.substr(head_end + 4, end - head_end - 4));
        out.push_back(std::move(part));
        body.remove_prefix(end + mark.size());
    }
    return out;
}

std::string text_of(const json::value& value) {
    if (value.is_string())
        return std::string(value.get_string());
    return json::serialize(value);
}

} // namespace

std::string batch_question::value(std::string_view name) const {
    if (const auto* found = part(name))
        return found->value;
    const auto* field = json.if_contains(name);
    return field ? text_of(*field) : std::string();
}

const batch_part* batch_question::part(std::string_view name) const {
    const auto at = std::ranges::find(parts, name, &batch_part::name);
    return at == parts.end() ? nullptr : &*at;
}

fake_batch_orchestrator::fake_batch_orchestrator(bool tls)
    : server_(shards_, {}, logger("orchestrator")) {
    // Below every path, also those that a test invents.
    const auto stay = [this](std::string_view) { return shards_.size(); };
    server_.stream_route("/", stay, [this](http::exchange& now) { return handle(now); });
    const auto secret = tls ? http::self_signed_tls("127.0.0.1").value() : http::tls_context();
    port_ = server_.listen("127.0.0.1:0", secret).value();
    url_ = (tls ? "https" : "http") + ("://127.0.0.1:" + std::to_string(port_));
    files_["/files/clip.mp4"] = {
        "video/mp4",
        from_hex_text("000000186674797069736f6d0000020069736f6d69736f320000000866726565")};
}

fake_batch_orchestrator::~fake_batch_orchestrator() {
    die();
    shards_.stop();
}

void fake_batch_orchestrator::die() {
    server_.stop(0s);
    // Its door is closed by the service's thread.
    std::promise<void> closed;
    asio::post(shards_.at(0), [&closed] { closed.set_value(); });
    closed.get_future().wait_for(patience);
}

const std::string& fake_batch_orchestrator::png() {
    static const auto bytes =
        from_hex_text("89504e470d0a1a0a0000000d49484452000000020000000108020000007b"
                      "40e8dd0000000d49444154789c63f8cf0004ff01070001ffe2239e590000"
                      "000049454e44ae426082");
    return bytes;
}

const std::string& fake_batch_orchestrator::wav() {
    static const auto bytes = silence_as_wav();
    return bytes;
}

std::string fake_batch_orchestrator::data_url(std::string_view type, std::string_view bytes) {
    namespace base64 = boost::beast::detail::base64;
    std::string text(base64::encoded_size(bytes.size()), '\0');
    text.resize(base64::encode(text.data(), bytes.data(), bytes.size()));
    return "data:" + std::string(type) + ";base64," + text;
}

batch_reply fake_batch_orchestrator::json(std::string_view text) {
    batch_reply out;
    out.body = text;
    return out;
}

batch_reply fake_batch_orchestrator::stream(std::vector<std::string> chunks) {
    batch_reply out;
    out.content_type = "text/event-stream";
    chunks.push_back("[DONE]");
    for (const auto& each : chunks)
        out.events.push_back("data: " + each + "\n\n");
    return out;
}

std::string
fake_batch_orchestrator::chunk(std::string_view content, std::string_view finish_reason) {
    json::object delta{{"role", "assistant"}, {"content", content}};
    json::object choice{
        {"index", 0}, {"delta", std::move(delta)}, {"finish_reason", finish_reason}};
    json::object usage{
        {"prompt_tokens", 3},
        {"completion_tokens", finish_reason.empty() ? 0 : 2},
        {"total_tokens", finish_reason.empty() ? 0 : 5}};
    json::array choices;
    choices.push_back(std::move(choice));
    return json::serialize(json::object{
        {"id", "chat-1"},
        {"created", 1'700'000'000},
        {"model", "meta-llama/llama-3.1-8B-Instruct"},
        {"choices", std::move(choices)},
        {"usage", std::move(usage)}});
}

batch_reply fake_batch_orchestrator::good(const batch_question& asked) {
    const auto& what = asked.pipeline;
    if (what == "audio-to-text")
        return json(R"({"text":" Hello.","chunks":[{"timestamp":[0,1.5],"text":" Hello."}]})");
    if (what == "segment-anything-2")
        return json(R"({"masks":"[[1, 0]]","scores":"[0.9]","logits":"[[0.5, -0.5]]"})");
    if (what == "image-to-text")
        return json(R"({"text":"a red dot"})");
    if (what == "text-to-speech")
        return json(fmt::format(R"({{"audio":{{"url":"{}"}}}})", data_url("audio/wav", wav())));
    if (what == "image-to-video")
        return json(R"({"images":[{"url":"/files/clip.mp4","seed":7,"nsfw":false}]})");
    if (what == "llm") {
        if (asked.value("stream") == "true")
            return stream({chunk("Hel"), chunk("lo"), chunk("", "stop")});
        return json(
            R"({"id":"chat-1","created":1700000000,"model":"meta-llama/llama-3.1-8B-Instruct",)"
            R"("choices":[{"index":0,"finish_reason":"stop",)"
            R"("message":{"role":"assistant","content":"Hello"}}],)"
            R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})"
        );
    }
    const auto wanted = asked.value("num_images_per_prompt");
    const int count = wanted.empty() ? 1 : std::stoi(wanted);
    std::string images;
    for (int i = 0; i < count; ++i)
        images += fmt::format(
            R"({}{{"url":"{}","seed":{},"nsfw":false}})",
            i ? "," : "",
            data_url("image/png", png()),
            100 + i
        );
    return json("{\"images\":[" + images + "]}");
}

void fake_batch_orchestrator::answer_with(script s) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(s);
}

void fake_batch_orchestrator::answer_next(batch_reply reply) {
    const std::lock_guard lock(mutex_);
    next_.push_back(std::move(reply));
}

void fake_batch_orchestrator::answer_unread_next(batch_reply reply) {
    const std::lock_guard lock(mutex_);
    next_unread_.push_back(std::move(reply));
}

void fake_batch_orchestrator::serve_file(
    std::string path, std::string content_type, std::string bytes
) {
    const std::lock_guard lock(mutex_);
    files_[std::move(path)] = {std::move(content_type), std::move(bytes)};
}

std::vector<batch_question> fake_batch_orchestrator::asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
}

std::size_t fake_batch_orchestrator::count() {
    const std::lock_guard lock(mutex_);
    return asked_.size();
}

batch_question fake_batch_orchestrator::last() {
    const std::lock_guard lock(mutex_);
    if (asked_.empty())
        throw std::runtime_error("the orchestrator was asked nothing");
    return asked_.back();
}

std::vector<std::string> fake_batch_orchestrator::fetched() {
    const std::lock_guard lock(mutex_);
    return fetched_;
}

std::size_t fake_batch_orchestrator::left_early() {
    const std::lock_guard lock(mutex_);
    return left_early_;
}

std::size_t fake_batch_orchestrator::connections() {
    const std::lock_guard lock(mutex_);
    return peers_.size();
}

void fake_batch_orchestrator::wait_for(std::size_t questions) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return asked_.size() >= questions; }))
        throw std::runtime_error("the orchestrator was not asked in time");
}

std::chrono::milliseconds fake_batch_orchestrator::wait_for_left_early(std::size_t requests) {
    const auto begun = steady_clock::now();
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return left_early_ >= requests; }))
        throw std::runtime_error("nobody left in time");
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun);
}

batch_reply fake_batch_orchestrator::reply_to(batch_question& asked) {
    script ask;
    {
        const std::lock_guard lock(mutex_);
        asked.number = asked_.size();
        asked_.push_back(asked);
        changed_.notify_all();
        if (!next_.empty()) {
            auto out = std::move(next_.front());
            next_.pop_front();
            return out;
        }
        ask = script_;
    }
    return ask ? ask(asked) : good(asked);
}

awaitable<void> fake_batch_orchestrator::handle(http::exchange& now) {
    const auto method = now.header().method();
    std::string path(now.path());
    {
        const std::lock_guard lock(mutex_);
        ++peers_[now.connection().remote_address()];
    }
    if (method == http::verb::get || method == http::verb::head) {
        co_await answer_file(now, std::move(path));
        co_return;
    }
    batch_question asked;
    asked.pipeline = path.substr(1);
    for (const auto& field : now.header())
        asked.headers[boost::algorithm::to_lower_copy(std::string(field.name_string()))] =
            std::string(field.value());
    std::optional<batch_reply> unread;
    {
        const std::lock_guard lock(mutex_);
        if (!next_unread_.empty()) {
            unread = std::move(next_unread_.front());
            next_unread_.pop_front();
            asked_.push_back(asked);
            changed_.notify_all();
        }
    }
    if (unread) {
        http::response out;
        out.status = static_cast<http::status>(unread->status);
        out.content_type = unread->content_type;
        out.body = unread->body;
        co_await now.reply(std::move(out), http::after_reply::close);
        co_return;
    }
    const http::body_sink sink = [&asked](std::span<const std::uint8_t> piece) {
        asked.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    while (!now.reader().body_done() && asked.body.size() < most_of_a_body) {
        const auto failed = co_await now.reader().read_body(sink);
        if (failed) {
            const std::lock_guard lock(mutex_);
            ++left_early_;
            changed_.notify_all();
            now.finished(http::after_reply::close);
            co_return;
        }
    }
    const auto type = asked.headers["content-type"];
    asked.parts = parts_of(type, asked.body);
    error_code ec;
    auto value = json::parse(asked.body, ec);
    if (!ec && value.is_object())
        asked.json = std::move(value.get_object());
    co_await take(now, std::move(asked));
}

awaitable<void> fake_batch_orchestrator::answer_file(http::exchange& now, std::string path) {
    http::response out;
    {
        const std::lock_guard lock(mutex_);
        fetched_.push_back(path);
        const auto at = files_.find(path);
        if (at == files_.end()) {
            out.status = http::status::not_found;
            out.body = "404 page not found\n";
        } else {
            out.content_type = at->second.content_type;
            out.body = at->second.bytes;
        }
    }
    co_await now.reply(std::move(out));
}

namespace {

// Sees the peer leave while the handler does something else.
struct departure {
    http::request_reader& reader;
    asio::steady_timer timer;
    bool left = false;

    departure(http::request_reader& r, asio::any_io_executor executor)
        : reader(r), timer(std::move(executor)) {
        reader.watch_peer([this] {
            left = true;
            timer.cancel();
        });
    }

    ~departure() { reader.unwatch_peer(); }

    awaitable<void> wait(duration limit) {
        if (left)
            co_return;
        timer.expires_after(limit);
        co_await timer.async_wait(as_tuple);
    }
};

std::string in_chunk(std::string_view text) {
    return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
}

} // namespace

awaitable<void> fake_batch_orchestrator::take(http::exchange& now, batch_question asked) {
    auto how = reply_to(asked);
    departure peer(now.reader(), co_await asio::this_coro::executor);
    const auto gone = [&] {
        if (!peer.left)
            return false;
        const std::lock_guard lock(mutex_);
        ++left_early_;
        changed_.notify_all();
        return true;
    };
    const auto hang_up = [&] {
        now.finished(http::after_reply::close);
        now.connection().close();
    };
    const auto wait = how.hang ? duration(patience * 6) : duration(how.delay);
    if (wait > duration::zero())
        co_await peer.wait(wait);
    if (gone() || how.cut || how.hang) {
        hang_up();
        co_return;
    }
    http::response head;
    head.status = static_cast<http::status>(how.status);
    head.content_type = how.content_type;
    head.headers = how.headers;
    const auto then = how.keep_alive ? http::after_reply::keep_alive : http::after_reply::close;
    if (how.events.empty()) {
        head.body = how.body;
        if (!how.cut_after) {
            co_await now.reply(std::move(head), then);
            co_return;
        }
        auto text = now.render(head, then);
        text.resize(text.size() - how.body.size() + std::min(*how.cut_after, how.body.size()));
        co_await now.connection().write(asio::buffer(text));
        hang_up();
        co_return;
    }
    auto text = now.streaming_head(head);
    bool first = true;
    for (const auto& event : how.events) {
        if (!first && how.between > 0ms) {
            co_await peer.wait(how.between);
            text.clear();
        }
        text += in_chunk(event);
        const auto failed = co_await now.connection().write(asio::buffer(text));
        text.clear();
        peer.left = peer.left || failed;
        if (gone()) {
            hang_up();
            co_return;
        }
        first = false;
    }
    if (how.hang_after_events) {
        co_await peer.wait(patience * 6);
        gone();
        hang_up();
        co_return;
    }
    if (how.cut_after_events) {
        hang_up();
        co_return;
    }
    static constexpr std::string_view end = "0\r\n\r\n";
    co_await now.connection().write(asio::buffer(end));
    now.finished(then);
}

} // namespace rivulet::test
