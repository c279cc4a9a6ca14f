#include "batch/data_url.hpp"

#include "base/base64.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/core.h>

namespace rivulet::batch {
namespace {

constexpr std::string_view scheme = "data:";
constexpr std::string_view encoding = ";base64";
constexpr std::size_t head_bytes = 1024;

bool is_gap(char c) {
    return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

} // namespace

bool is_data_url(std::string_view text) {
    return boost::algorithm::istarts_with(text, scheme);
}

outcome<data_url> parse_data_url(std::string_view text, std::uint64_t limit) {
    if (!is_data_url(text))
        return failure(errc::protocol_violation, "not a data URL");
    text.remove_prefix(scheme.size());
    const auto comma = text.substr(0, head_bytes).find(',');
    if (comma == text.npos)
        return failure(errc::protocol_violation, "a data URL without a comma");
    auto head = text.substr(0, comma);
    const auto payload = text.substr(comma + 1);
    if (!boost::algorithm::iends_with(head, encoding))
        return failure(errc::unsupported, "a data URL that is not base64");
    head.remove_suffix(encoding.size());
    if (payload.size() / 4 * 3 > limit + 3)
        return failure(
            errc::too_large, fmt::format("a data URL of more than {} bytes of media", limit)
        );
    data_url made;
    made.content_type = head.substr(0, head.find(';'));

    // Lines and left-out padding are common enough to be taken.
    std::string patched;
    auto digits = payload;
    if (payload.find_first_of("\r\n \t") != payload.npos) {
        patched.reserve(payload.size() + 2);
        for (const char c : payload)
            if (!is_gap(c))
                patched += c;
        digits = patched;
    }
    if (digits.size() % 4 >= 2 && digits.back() != '=') {
        if (patched.empty())
            patched = digits;
        patched.append(4 - patched.size() % 4, '=');
        digits = patched;
    }
    auto bytes = from_base64(digits);
    if (!bytes)
        return failure(errc::protocol_violation, "a data URL whose base64 is damaged");
    if (bytes->size() > limit)
        return failure(
            errc::too_large, fmt::format("a data URL of more than {} bytes of media", limit)
        );
    made.bytes = std::move(*bytes);
    return made;
}

} // namespace rivulet::batch
