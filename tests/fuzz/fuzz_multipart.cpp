// Forms: whatever a client sends, in whatever pieces it comes, is read the same way, within limits;
// and what the writer frames is read back.
#include "http/multipart.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

using namespace rivulet;
using namespace rivulet::http;

namespace {

constexpr std::size_t most_parts = 20, most_header = 300;

// All that was seen, as text that can be compared.
std::string read_form(std::string_view boundary, std::string_view body, std::size_t step) {
    std::string seen, content;
    std::size_t parts = 0;
    bool open = false;
    multipart_events events;
    events.begin = [&](const part_head& head) {
        if (open || ++parts > most_parts || head.name.size() > most_header)
            std::abort();
        if (head.filename.find_first_of(std::string_view("/\\\r\n\0", 5)) != std::string::npos)
            std::abort();
        open = true;
        seen += "[" + head.name + "|" + head.filename + "|" + head.content_type + "]";
        return outcome<void>();
    };
    events.data = [&](std::span<const std::uint8_t> piece) {
        if (!open || piece.empty())
            std::abort();
        content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return outcome<void>();
    };
    events.end = [&] {
        if (!open)
            std::abort();
        open = false;
        seen += std::exchange(content, {});
        return outcome<void>();
    };
    multipart_limits limits;
    limits.parts = most_parts;
    limits.header_bytes = most_header;
    multipart_parser parser(std::string(boundary), limits, std::move(events));
    outcome<void> fed;
    for (std::size_t at = 0; at < body.size() && fed; at += step) {
        const auto piece = body.substr(at, step);
        fed = parser.feed({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
    }
    if (fed)
        fed = parser.finish();
    if (fed && open)
        std::abort();
    if (!fed && fed.error().detail.empty())
        std::abort();
    return seen + (fed ? "." : "!" + fed.error().detail);
}

} // namespace

// The first line is the Content-Type, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const auto line = all.find('\n');
    const auto body = line == all.npos ? std::string_view() : all.substr(line + 1);
    const auto boundary = multipart_boundary(all.substr(0, line));
    if (!boundary)
        return 0;
    if (boundary->empty() || boundary->size() > 70)
        std::abort();
    const auto whole = read_form(*boundary, body, body.size() + 1);
    for (const std::size_t step : {1, 2, 7})
        if (read_form(*boundary, body, step) != whole)
            std::abort();
    // A value that does not hold the boundary comes back as it was.
    const std::string value(body.substr(0, 200));
    if (("\r\n" + value + "\r\n").find("\r\n--" + *boundary) == std::string::npos) {
        const auto form = form_part(*boundary, "n", value) + form_end(*boundary);
        if (read_form(*boundary, form, 3) != "[n||]" + value + ".")
            std::abort();
    }
    return 0;
}
