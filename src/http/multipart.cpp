#include "http/multipart.hpp"

#include "http/multipart_header.hpp"

#include <algorithm>
#include <cstring>

namespace rivulet::http {
namespace {

constexpr std::size_t longest_boundary = 70; // RFC 2046 5.1.1
constexpr std::size_t longest_padding = 64;  // blanks behind a boundary

failure broken(std::string_view what) {
    return {errc::protocol_violation, "multipart: NextPart: " + std::string(what)};
}

// As browsers and Go write them: a line break in a name would end the header.
std::string escaped(std::string_view text) {
    std::string made;
    for (const char c : text) {
        if (c == '\\' || c == '"')
            made += '\\';
        if (c == '\r')
            made += "%0D";
        else if (c == '\n')
            made += "%0A";
        else
            made += c;
    }
    return made;
}

} // namespace

outcome<std::string> multipart_boundary(std::string_view content_type) {
    const failure not_multipart(
        errc::invalid_argument, "request Content-Type isn't multipart/form-data"
    );
    const failure none(errc::invalid_argument, "no multipart boundary param in Content-Type");
    const auto parsed = parse_header_value(content_type);
    if (!parsed || parsed->value != "multipart/form-data") {
        // Whoever says form-data and goes on in a way that nobody can read has no boundary.
        const auto cut = parse_header_value(content_type.substr(0, content_type.find(';')));
        return cut && cut->value == "multipart/form-data" ? none : not_multipart;
    }
    const auto* boundary = parsed->find("boundary");
    if (!boundary || boundary->empty())
        return none;
    const bool printable = std::all_of(boundary->begin(), boundary->end(), [](char c) {
        return c >= ' ' && c < '\x7f';
    });
    if (boundary->size() > longest_boundary || !printable || boundary->back() == ' ')
        return failure(
            errc::invalid_argument,
            "the multipart boundary in Content-Type must be 1 to 70 printable characters"
        );
    return *boundary;
}

struct multipart_parser::impl {
    enum class state { preamble, head, data, epilogue };

    impl(const std::string& boundary, multipart_limits l, multipart_events e)
        : delimiter("\r\n--" + boundary), limits(l), events(std::move(e)) {}

    outcome<void> feed(std::string_view piece);
    outcome<void> feed_head(std::string_view& piece);
    outcome<void> feed_content(std::string_view& piece);
    outcome<void> feed_line_end(char c);
    outcome<void> give(std::string_view content);
    std::string_view taken_back();
    outcome<void> boundary_ended();

    const std::string delimiter;
    const multipart_limits limits;
    const multipart_events events;
    state now = state::preamble;
    // How much of the delimiter the newest bytes are. Only its first byte is a CR, so what did not
    // match in the end can't hold the beginning of another one.
    std::size_t matched = 2;
    // So many bytes of it were not there: the first delimiter needs no line break before it.
    std::size_t assumed = 2;
    std::string line_end; // what came behind a whole delimiter: "--", or blanks and CRLF
    std::string head;     // of the part, without its blank line
    std::size_t parts = 0;
    std::optional<failure> failed;
};

outcome<void> multipart_parser::impl::give(std::string_view content) {
    if (now != state::data || content.empty() || !events.data)
        return {};
    return events.data({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
}

// Bytes that only looked like a delimiter.
std::string_view multipart_parser::impl::taken_back() {
    const auto begin = std::exchange(assumed, 0);
    return std::string_view(delimiter).substr(begin, std::exchange(matched, 0) - begin);
}

outcome<void> multipart_parser::impl::boundary_ended() {
    const bool last = line_end == "--";
    const bool had_part = now == state::data;
    matched = 0;
    assumed = 0;
    line_end.clear();
    if (had_part && events.end) {
        auto ended = events.end();
        if (!ended)
            return ended;
    }
    if (last) {
        now = state::epilogue;
        return {};
    }
    if (++parts > limits.parts)
        return failure(
            errc::too_many,
            "multipart: more than " + std::to_string(limits.parts) + " parts in the form"
        );
    now = state::head;
    head = "\r\n"; // an empty head is a blank line at once
    return {};
}

// Behind a whole delimiter. Anything but an end of the line makes it content.
outcome<void> multipart_parser::impl::feed_line_end(char c) {
    const bool dashes = c == '-' && (line_end.empty() || line_end == "-");
    const bool padding = (c == ' ' || c == '\t') && line_end.size() < longest_padding &&
                         line_end.find_first_not_of(" \t") == line_end.npos;
    const bool cr = c == '\r' && line_end.find_first_not_of(" \t") == line_end.npos;
    const bool lf = c == '\n' && !line_end.empty() && line_end.back() == '\r';
    if (dashes || padding || cr || lf) {
        line_end += c;
        if (lf || line_end == "--")
            return boundary_ended();
        return {};
    }
    // The CR of a line end that did not come may begin a delimiter.
    const bool again = !line_end.empty() && line_end.back() == '\r';
    auto content = std::string(taken_back()) + line_end;
    if (again)
        content.pop_back();
    matched = again ? 1 : 0;
    line_end.clear();
    auto given = give(content);
    std::string_view one(&c, 1);
    while (given && !one.empty())
        given = feed_content(one);
    return given;
}

outcome<void> multipart_parser::impl::feed_content(std::string_view& piece) {
    if (matched == delimiter.size()) {
        const char c = piece.front();
        piece.remove_prefix(1);
        return feed_line_end(c);
    }
    if (matched > 0) {
        if (piece.front() == delimiter[matched]) {
            ++matched;
            piece.remove_prefix(1);
            return {};
        }
        return give(taken_back());
    }
    auto found = piece.find(delimiter);
    if (found != piece.npos) {
        matched = delimiter.size();
    } else if (const auto cr = piece.rfind('\r'); cr != piece.npos) {
        // The rest of it may be in the next piece.
        const auto tail = piece.substr(cr);
        if (tail.size() < delimiter.size() && delimiter.compare(0, tail.size(), tail) == 0) {
            found = cr;
            matched = tail.size();
        }
    }
    const auto content = piece.substr(0, found);
    piece.remove_prefix(content.size() + matched);
    return give(content);
}

outcome<void> multipart_parser::impl::feed_head(std::string_view& piece) {
    // Up to and with the next LF, which may complete the blank line.
    const auto lf = piece.find('\n');
    const auto line = piece.substr(0, lf == piece.npos ? lf : lf + 1);
    if (line.size() > limits.header_bytes + 4 - std::min(head.size(), limits.header_bytes + 4))
        return failure(
            errc::too_large,
            "multipart: the header of a part is larger than " +
                std::to_string(limits.header_bytes) + " bytes"
        );
    head += line;
    piece.remove_prefix(line.size());
    if (!head.ends_with("\r\n\r\n"))
        return {};
    auto parsed = parse_part_head(std::string_view(head).substr(2, head.size() - 4));
    if (!parsed)
        return parsed.error();
    head = {};
    now = state::data;
    // An empty part's delimiter may use up the blank line's break (RFC 2046 asks for one of its
    // own, some writers save it).
    matched = 2;
    assumed = 2;
    return events.begin ? events.begin(*parsed) : outcome<void>();
}

outcome<void> multipart_parser::impl::feed(std::string_view piece) {
    while (!piece.empty() && now != state::epilogue) {
        auto fed = now == state::head ? feed_head(piece) : feed_content(piece);
        if (!fed)
            return fed;
    }
    return {};
}

multipart_parser::multipart_parser(
    std::string boundary, multipart_limits limits, multipart_events events
)
    : impl_(std::make_unique<impl>(boundary, limits, std::move(events))) {}

multipart_parser::~multipart_parser() = default;

outcome<void> multipart_parser::feed(std::span<const std::uint8_t> piece) {
    if (impl_->failed)
        return *impl_->failed;
    auto fed = impl_->feed({reinterpret_cast<const char*>(piece.data()), piece.size()});
    if (!fed)
        impl_->failed = fed.error();
    return fed;
}

outcome<void> multipart_parser::finish() {
    if (impl_->failed)
        return *impl_->failed;
    if (impl_->now == impl::state::epilogue)
        return {};
    return broken(impl_->now == impl::state::preamble ? "EOF" : "unexpected EOF");
}

std::string form_part(std::string_view boundary, std::string_view name, std::string_view value) {
    std::string made("--");
    made.append(boundary).append("\r\nContent-Disposition: form-data; name=\"");
    made.append(escaped(name)).append("\"\r\n\r\n").append(value).append("\r\n");
    return made;
}

std::string form_file_head(
    std::string_view boundary,
    std::string_view name,
    std::string_view filename,
    std::string_view content_type
) {
    std::string made("--");
    made.append(boundary).append("\r\nContent-Disposition: form-data; name=\"");
    made.append(escaped(name)).append("\"; filename=\"").append(escaped(filename));
    made.append("\"\r\nContent-Type: ").append(content_type).append("\r\n\r\n");
    return made;
}

std::string form_end(std::string_view boundary) {
    return "--" + std::string(boundary) + "--\r\n";
}

} // namespace rivulet::http
