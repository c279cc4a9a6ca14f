#include "http/file_reply.hpp"

#include "http/body_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <unistd.h>
#include <vector>

namespace rivulet::http {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    // More than 64 bits is past the end of anything.
    if (failed == std::errc::result_out_of_range && end == text.data() + text.size())
        return UINT64_MAX;
    if (text.empty() || failed != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

bool same_tag(std::string_view one, std::string_view other, bool weak) {
    const auto opaque = [](std::string_view tag) {
        return tag.starts_with("W/") ? tag.substr(2) : tag;
    };
    if (weak)
        return opaque(one) == opaque(other);
    return one == other && !one.starts_with("W/");
}

result<bytes> read_piece(const shared_file& file, std::uint64_t offset, std::size_t size) {
    auto block = std::make_shared_for_overwrite<std::uint8_t[]>(size);
    std::size_t got = 0;
    while (got < size) {
        const auto n = ::pread(
            file.descriptor(), block.get() + got, size - got, static_cast<off_t>(offset + got)
        );
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_code(errno, boost::system::system_category());
        if (n == 0) // shorter than it was said to be
            return error_code(EIO, boost::system::system_category());
        got += static_cast<std::size_t>(n);
    }
    const std::span<const std::uint8_t> view(block.get(), size);
    return bytes(std::move(block), view);
}

// Owns all that it touches: the connection may be gone before it is done.
struct piece_work {
    std::shared_ptr<shared_file> file;
    std::uint64_t offset;
    std::size_t size;

    piece_work(std::shared_ptr<shared_file> f, std::uint64_t o, std::size_t s)
        : file(std::move(f)), offset(o), size(s) {}

    result<bytes> operator()() const { return read_piece(*file, offset, size); }
};

response refusal_of(const file_reply& what, status why, std::string_view message) {
    return what.error_body ? what.error_body(why, message) : error_response(why, message);
}

awaitable<error_code> send_pieces(body_writer& body, const file_reply& what, byte_range range) {
    const auto end = range.last + 1;
    for (auto offset = range.first; offset < end;) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, end - offset));
        result<bytes> piece = bytes();
        if (const auto* block = std::get_if<bytes>(&what.content)) {
            piece = block->slice(static_cast<std::size_t>(offset), size);
        } else {
            piece_work work(std::get<1>(what.content), offset, size);
            if (what.disk)
                piece = co_await what.disk->run(std::move(work));
            else
                piece = work();
        }
        if (!piece)
            co_return piece.error();
        offset += size;
        const auto text = piece->text();
        error_code failed;
        if (offset < end)
            failed = co_await body.write(text);
        else
            failed = co_await body.end(text);
        if (failed)
            co_return failed;
    }
    co_return error_code{};
}

} // namespace

shared_file::~shared_file() {
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

range_wish parse_range(std::string_view header, std::uint64_t size) {
    range_wish wish;
    static constexpr std::string_view unit = "bytes=";
    if (!header.starts_with(unit))
        return wish;
    const auto spec = trimmed(header.substr(unit.size()));
    const auto dash = spec.find('-');
    if (dash == spec.npos || spec.find(',') != spec.npos)
        return wish;
    const auto from = trimmed(spec.substr(0, dash)), to = trimmed(spec.substr(dash + 1));
    const auto first = number(from), last = number(to);
    if ((!from.empty() && !first) || (!to.empty() && !last) || (from.empty() && to.empty()))
        return wish;
    if (from.empty()) { // so many from the end
        wish.unsatisfiable = *last == 0 || size == 0;
        if (!wish.unsatisfiable)
            wish.range = byte_range(size - std::min(*last, size), size - 1);
        return wish;
    }
    if (last && *last < *first)
        return wish;
    wish.unsatisfiable = *first >= size;
    if (!wish.unsatisfiable)
        wish.range = byte_range(*first, std::min(last.value_or(size - 1), size - 1));
    return wish;
}

bool names_etag(std::string_view list, std::string_view etag, bool weak) {
    list = trimmed(list);
    if (list == "*")
        return true;
    while (!list.empty()) {
        // Commas may stand within a tag's quotes.
        const auto open = list.find('"');
        const auto close = open == list.npos ? open : list.find('"', open + 1);
        if (close == list.npos)
            return false;
        auto tag = list.substr(0, close + 1);
        while (!tag.empty() && (tag.front() == ',' || tag.front() == ' ' || tag.front() == '\t'))
            tag.remove_prefix(1);
        if (same_tag(tag, etag, weak))
            return true;
        list.remove_prefix(close + 1);
    }
    return false;
}

awaitable<error_code> send_file(exchange& peer, file_reply what) {
    response head;
    head.headers = what.headers;
    head.headers.emplace_back("Accept-Ranges", "bytes");
    if (!what.etag.empty()) {
        head.headers.emplace_back("ETag", what.etag);
        const auto match = peer["If-Match"], none_match = peer["If-None-Match"];
        if (!match.empty() && !names_etag(match, what.etag, false)) {
            auto refusal = refusal_of(what, status::precondition_failed, "it is another version");
            refusal.headers.insert(refusal.headers.end(), head.headers.begin(), head.headers.end());
            co_return co_await peer.reply(std::move(refusal));
        }
        if (!none_match.empty() && names_etag(none_match, what.etag, true)) {
            head.status = status::not_modified;
            co_return co_await peer.reply(std::move(head));
        }
    }
    range_wish wish;
    const auto condition = peer["If-Range"];
    // A range of another version would be joined to the wrong bytes. Dates never match: there are
    // none to compare with. Only GET has ranges.
    const bool same =
        condition.empty() || (!what.etag.empty() && same_tag(condition, what.etag, false));
    if (same && !peer.head_only())
        wish = parse_range(peer["Range"], what.size);
    const auto size = std::to_string(what.size);
    if (wish.unsatisfiable) {
        auto refusal = refusal_of(
            what, status::range_not_satisfiable, "the range is not within the " + size + " bytes"
        );
        head.headers.emplace_back("Content-Range", "bytes */" + size);
        refusal.headers.insert(refusal.headers.end(), head.headers.begin(), head.headers.end());
        co_return co_await peer.reply(std::move(refusal));
    }
    head.content_type = what.content_type;
    auto range = byte_range(0, what.size - 1);
    if (wish.range) {
        range = *wish.range;
        head.status = status::partial_content;
        head.headers.emplace_back(
            "Content-Range",
            "bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) + "/" + size
        );
    }
    body_writer body(peer, what.silence);
    const auto length = what.size == 0 ? 0 : range.last - range.first + 1;
    body.start(head, length);
    if (length == 0 || peer.head_only())
        co_return co_await body.end();
    co_return co_await send_pieces(body, what, range);
}

} // namespace rivulet::http
