#include "webrtc/sdp_media.hpp"

#include <algorithm>
#include <array>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t max_extensions = 64;
constexpr std::size_t max_feedback = 24;
constexpr std::size_t max_parameters = 1024;
constexpr std::size_t payload_types = 128;
constexpr std::size_t max_codec_name = 32;

failure refuse(std::string why) {
    return {errc::invalid_argument, std::move(why)};
}

// What the lines say about each payload type, before it is known which of them are codecs.
struct payload_table {
    std::array<bool, payload_types> listed{};
    std::array<bool, payload_types> mapped{};
    std::array<offered_codec, payload_types> codec;
    std::vector<std::uint8_t> order;
    std::size_t for_all = 0; // lines of feedback for every codec
};

// "96 H264/90000", "111 opus/48000/2"
void read_rtpmap(std::string_view value, payload_table& table) {
    const auto type = decimal(take_word(value), payload_types - 1);
    auto encoding = take_word(value);
    const auto slash = encoding.find('/');
    if (!type || slash == std::string_view::npos || slash == 0 || table.mapped[*type])
        return;
    // Refusals name the codecs of the offer.
    if (slash > max_codec_name || !printable(encoding.substr(0, slash)))
        return;
    auto& codec = table.codec[*type];
    codec.name = lower_case(encoding.substr(0, slash));
    encoding.remove_prefix(slash + 1);
    const auto second = std::min(encoding.find('/'), encoding.size());
    const auto rate = decimal(encoding.substr(0, second), 1'000'000);
    if (!rate || *rate == 0)
        return;
    codec.clock_rate = *rate;
    if (second < encoding.size())
        codec.channels = static_cast<int>(decimal(encoding.substr(second + 1), 255).value_or(0));
    table.mapped[*type] = true;
}

outcome<void> read_fmtp(std::string_view value, payload_table& table) {
    const auto type = decimal(take_word(value), payload_types - 1);
    if (!type)
        return {};
    auto& parameters = table.codec[*type].parameters;
    const auto added = trimmed(value);
    if (!printable(added))
        return refuse("a=fmtp holds characters that are not ASCII");
    if (parameters.size() + added.size() + 1 > max_parameters)
        return refuse("a=fmtp is longer than 1024 bytes");
    if (!parameters.empty() && !added.empty())
        parameters += ';';
    parameters += added;
    return {};
}

void add_feedback(offered_codec& codec, const std::string& what) {
    if (codec.feedback.size() < max_feedback && !codec.has_feedback(what))
        codec.feedback.push_back(what);
}

// "96 nack pli", "* transport-cc"
void read_feedback(std::string_view value, payload_table& table) {
    const auto target = take_word(value);
    std::string what;
    for (auto word = take_word(value); !word.empty(); word = take_word(value))
        what += (what.empty() ? "" : " ") + lower_case(word);
    if (what.empty() || what.size() > 64 || !printable(what))
        return;
    if (target == "*") {
        if (++table.for_all > max_feedback)
            return;
        for (const auto type : table.order)
            add_feedback(table.codec[type], what);
    } else if (const auto type = decimal(target, payload_types - 1)) {
        add_feedback(table.codec[*type], what);
    }
}

// "3 urn:…", "3/sendonly urn:… parameters"
void read_extension(std::string_view value, std::vector<offered_extension>& into) {
    auto id_text = take_word(value);
    id_text = id_text.substr(0, id_text.find('/'));
    const auto id = decimal(id_text, 255);
    const auto uri = take_word(value);
    const auto taken = [&](const offered_extension& known) {
        return known.id == *id || known.uri == uri;
    };
    if (!id || *id == 0 || uri.empty() || uri.size() > 256 || !printable(uri) ||
        into.size() == max_extensions || std::any_of(into.begin(), into.end(), taken))
        return;
    into.push_back({static_cast<std::uint8_t>(*id), std::string(uri)});
}

void list_formats(std::string_view formats, payload_table& table) {
    for (auto word = take_word(formats); !word.empty(); word = take_word(formats))
        if (const auto type = decimal(word, payload_types - 1); type && !table.listed[*type]) {
            table.listed[*type] = true;
            table.order.push_back(static_cast<std::uint8_t>(*type));
        }
}

void take_codecs(payload_table& table, offered_media& into) {
    std::array<std::optional<std::uint8_t>, payload_types> rtx;
    for (const auto type : table.order) {
        const auto& codec = table.codec[type];
        if (!table.mapped[type] || codec.name != "rtx")
            continue;
        const auto apt = decimal(codec.parameter("apt"), payload_types - 1);
        if (apt && !rtx[*apt])
            rtx[*apt] = type;
    }
    for (const auto type : table.order) {
        auto& codec = table.codec[type];
        if (!table.mapped[type] || codec.name == "rtx")
            continue;
        codec.payload_type = type;
        codec.rtx = rtx[type];
        into.codecs.push_back(std::move(codec));
    }
}

outcome<void> read_attributes(const sdp_part& section, offered_media& into) {
    payload_table table;
    list_formats(into.formats, table);
    for (const auto& [name, value] : section.attributes) {
        if (same_without_case(name, "rtpmap"))
            read_rtpmap(value, table);
        else if (same_without_case(name, "rtcp-fb"))
            read_feedback(value, table);
        else if (same_without_case(name, "extmap"))
            read_extension(value, into.extensions);
        else if (same_without_case(name, "fmtp"))
            if (auto read = read_fmtp(value, table); !read)
                return read.error();
    }
    take_codecs(table, into);
    return {};
}

direction read_direction(const sdp_part& part, direction otherwise) {
    for (const auto& [name, value] : part.attributes) {
        if (!value.empty())
            continue;
        if (same_without_case(name, "sendrecv"))
            return direction::sendrecv;
        if (same_without_case(name, "sendonly"))
            return direction::sendonly;
        if (same_without_case(name, "recvonly"))
            return direction::recvonly;
        if (same_without_case(name, "inactive"))
            return direction::inactive;
    }
    return otherwise;
}

bool is_secure_rtp(std::string_view protocol) {
    for (const auto* known :
         {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF"})
        if (same_without_case(protocol, known))
            return true;
    return false;
}

} // namespace

bool sdp_part::has(std::string_view name) const {
    return std::any_of(attributes.begin(), attributes.end(), [&](const auto& one) {
        return same_without_case(one.name, name);
    });
}

std::string_view sdp_part::value(std::string_view name) const {
    const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const auto& one) {
        return same_without_case(one.name, name);
    });
    return found == attributes.end() ? std::string_view{} : found->value;
}

std::vector<std::string_view> sdp_part::values(std::string_view name) const {
    std::vector<std::string_view> found;
    for (const auto& one : attributes)
        if (same_without_case(one.name, name))
            found.push_back(one.value);
    return found;
}

outcome<offered_media> read_media(const sdp_part& session, const sdp_part& section) {
    offered_media made;
    auto rest = section.first_line;
    if (!printable(rest))
        return refuse("an m= line holds characters that are not ASCII");
    made.kind_text = take_word(rest);
    auto port_text = take_word(rest);
    port_text = port_text.substr(0, port_text.find('/'));
    const auto port = decimal(port_text, 65'535);
    made.protocol = take_word(rest);
    made.formats = trimmed(rest);
    if (!port || made.protocol.empty() || made.formats.empty())
        return refuse("an m= line must be 'm=KIND PORT PROTOCOL FORMATS'");
    made.mid = section.value("mid");
    if (made.mid.size() > 64 || !printable(made.mid) || made.mid.find(' ') != std::string::npos)
        return refuse("an a=mid is longer than 64 characters or not plain ASCII");
    made.refused = *port == 0 && !section.has("bundle-only");
    if (is_secure_rtp(made.protocol)) {
        if (same_without_case(made.kind_text, "audio"))
            made.kind = media_kind::audio;
        else if (same_without_case(made.kind_text, "video"))
            made.kind = media_kind::video;
    }
    if (made.kind == media_kind::other)
        return made;
    made.rtcp_mux = section.has("rtcp-mux") || section.has("rtcp-mux-only");
    made.direction = read_direction(section, read_direction(session, direction::sendrecv));
    if (auto read = read_attributes(section, made); !read)
        return read.error();
    for (const auto value : session.values("extmap"))
        read_extension(value, made.extensions);
    return made;
}

} // namespace rivulet::webrtc
