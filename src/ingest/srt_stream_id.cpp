#include "ingest/srt_stream_id.hpp"

#include "ingest/access.hpp"
#include "ingest/rtmp_target.hpp"

#include <algorithm>
#include <optional>

namespace rivulet::ingest {
namespace {

constexpr std::string_view standard_mark = "#!::", nested_mark = "#!{";

failure bad(std::string text) {
    return failure(errc::invalid_argument, std::move(text));
}

std::pair<std::string_view, std::string_view> split_at(std::string_view text, char mark) {
    const auto at = text.find(mark);
    if (at == std::string_view::npos)
        return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
}

void append(srt_target& to, std::string_view query) {
    for (auto& pair : parse_query(query))
        to.query.push_back(std::move(pair));
}

// "live/cam?pipeline=noop" and the like: the name is the path's last part.
outcome<void> take_resource(srt_target& to, std::string_view resource) {
    const auto [path, query] = split_at(resource, '?');
    append(to, query);
    auto name = path;
    while (name.ends_with('/'))
        name.remove_suffix(1);
    if (const auto slash = name.rfind('/'); slash != std::string_view::npos)
        name.remove_prefix(slash + 1);
    to.stream = percent_decoded(name);
    if (!is_stream_name(to.stream))
        return bad(
            to.stream.empty() ? "the stream id has no stream name: use publish:NAME or read:NAME"
                              : "a stream name has 1 to 128 letters, digits, '.', '_' or '-'"
        );
    return {};
}

std::optional<srt_mode> mode_of(std::string_view word) {
    if (word == "publish")
        return srt_mode::publish;
    if (word == "request" || word == "read" || word == "play")
        return srt_mode::read;
    return std::nullopt;
}

// "#!::" and then key=value pairs between commas. Keys of one letter are the standard's; all others
// are the stream's parameters.
outcome<srt_target> parse_standard(std::string_view pairs) {
    srt_target target;
    target.mode = srt_mode::read; // the standard's default
    std::optional<std::string_view> resource;
    while (!pairs.empty()) {
        const auto [pair, rest] = split_at(pairs, ',');
        pairs = rest;
        if (pair.empty())
            continue;
        if (pair.find('=') == std::string_view::npos)
            return bad("the stream id has a part that is not key=value");
        const auto [key, value] = split_at(pair, '=');
        if (key == "r") {
            resource = value;
        } else if (key == "m") {
            const auto mode = mode_of(value);
            if (!mode)
                return failure(
                    errc::unsupported, "the stream id's mode must be publish or request"
                );
            target.mode = *mode;
        } else if (key == "u") {
            target.user = percent_decoded(value);
        } else if (key == "s") {
            target.key = percent_decoded(value);
        } else if (key == "t") {
            if (value != "stream")
                return failure(errc::unsupported, "the stream id's type must be stream");
        } else if (key != "h") {
            append(target, pair);
        }
    }
    if (!resource)
        return bad("the stream id has no stream name: use #!::r=NAME,m=publish");
    if (auto taken = take_resource(target, *resource); !taken)
        return taken.error();
    return target;
}

// "publish:NAME", then ":QUERY", ":USER:PASS" or ":USER:PASS:QUERY". Only the query may have colons
// of its own.
outcome<srt_target> parse_colons(srt_mode mode, std::string_view rest) {
    srt_target target;
    target.mode = mode;
    const auto [resource, tail] = split_at(rest, ':');
    if (auto taken = take_resource(target, resource); !taken)
        return taken.error();
    if (tail.empty())
        return target;
    const auto [first, more] = split_at(tail, ':');
    if (first.find('=') != std::string_view::npos || tail.find(':') == std::string_view::npos) {
        append(target, tail);
        return target;
    }
    const auto [pass, query] = split_at(more, ':');
    target.user = percent_decoded(first);
    target.key = percent_decoded(pass);
    append(target, query);
    return target;
}

outcome<srt_target> parse_any(std::string_view text) {
    if (text.starts_with(standard_mark))
        return parse_standard(text.substr(standard_mark.size()));
    if (text.starts_with(nested_mark))
        return failure(errc::unsupported, "nested stream ids (#!{…}) are not supported");
    const auto [word, rest] = split_at(text, ':');
    if (const auto mode = mode_of(word); mode && word.size() < text.size())
        return parse_colons(*mode, rest);
    srt_target target;
    if (auto taken = take_resource(target, text); !taken)
        return taken.error();
    return target;
}

// Some clients (ffmpeg 5) send the address's query as it stands. Without any mark there is nothing
// to keep apart, so nothing is decoded twice.
bool is_undecoded(std::string_view text) {
    return text.find_first_of(":?#") == std::string_view::npos &&
           text.find('%') != std::string_view::npos;
}

} // namespace

outcome<srt_target> parse_srt_stream_id(std::string_view text) {
    if (text.empty())
        return bad("no stream id: use streamid=publish:NAME");
    if (text.size() > longest_srt_stream_id)
        return bad("the stream id is too long");
    std::string decoded;
    if (is_undecoded(text)) {
        decoded = percent_decoded(text);
        text = decoded;
    }
    if (std::any_of(text.begin(), text.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        }))
        return bad("the stream id has control characters");
    auto target = parse_any(text);
    if (target && target->key.empty())
        target->key = key_of(target->query);
    return target;
}

} // namespace rivulet::ingest
