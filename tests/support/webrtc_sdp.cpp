// The offers and answers of test clients. Written apart from the product's SDP code on purpose.
#include "support/webrtc_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace rivulet::test {

using namespace webrtc;

namespace {

constexpr std::string_view transport_cc =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    return words;
}

template <class T>
T number(std::string_view text) {
    T value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

client_media video(std::string direction, client_codec codec) {
    codec.feedback = {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"};
    client_media media;
    media.direction = std::move(direction);
    media.codecs = {std::move(codec)};
    media.extensions = {{3, std::string(transport_cc)}};
    media.ssrc = 0x10203040;
    media.rtx_ssrc = 0x10203041;
    return media;
}

void read_candidate(std::string_view text, local_transport& into) {
    // foundation component protocol priority address port "typ" type …
    const auto words = words_of(text);
    if (words.size() < 8)
        return;
    ice_candidate candidate;
    candidate.foundation = words[0];
    candidate.tcp = words[2] == "tcp" || words[2] == "TCP";
    candidate.priority = number<std::uint32_t>(words[3]);
    candidate.address = words[4];
    candidate.port = number<std::uint16_t>(words[5]);
    const auto same = [&](const ice_candidate& other) {
        return other.address == candidate.address && other.port == candidate.port &&
               other.tcp == candidate.tcp;
    };
    if (std::none_of(into.candidates.begin(), into.candidates.end(), same))
        into.candidates.push_back(std::move(candidate));
}

client_codec& codec_of(answered_media_section& section, int payload_type) {
    for (auto& codec : section.codecs)
        if (codec.payload_type == payload_type)
            return codec;
    client_codec codec;
    codec.payload_type = payload_type;
    codec.name.clear();
    return section.codecs.emplace_back(std::move(codec));
}

// After all lines: "rtx/90000" with "apt=102" becomes the RTX of 102.
void fold_rtx(answered_media_section& section) {
    for (const auto& codec : std::vector(section.codecs))
        if (codec.name.starts_with("rtx/") && codec.parameters.starts_with("apt="))
            codec_of(section, number<int>(std::string_view(codec.parameters).substr(4))).rtx =
                codec.payload_type;
    std::erase_if(section.codecs, [](const auto& codec) { return codec.name.starts_with("rtx/"); });
}

void read_media_attribute(
    std::string_view name, std::string_view value, answered_media_section& section
) {
    const auto space = value.find(' ');
    const auto first = value.substr(0, space);
    const auto rest =
        space == std::string_view::npos ? std::string_view() : value.substr(space + 1);
    if (name == "mid")
        section.mid = value;
    else if (name == "sendrecv" || name == "sendonly" || name == "recvonly" || name == "inactive")
        section.direction = name;
    else if (name == "rtpmap")
        codec_of(section, number<int>(first)).name = rest;
    else if (name == "fmtp")
        codec_of(section, number<int>(first)).parameters = rest;
    else if (name == "rtcp-fb" && first != "*")
        codec_of(section, number<int>(first)).feedback.emplace_back(rest);
    else if (name == "extmap")
        section.extensions.emplace_back(number<int>(first), rest);
    else if (name == "ssrc" && section.ssrc == 0)
        section.ssrc = number<std::uint32_t>(first);
    else if (name == "ssrc-group" && first == "FID")
        if (const auto words = words_of(rest); words.size() == 2) {
            section.ssrc = number<std::uint32_t>(words[0]);
            section.rtx_ssrc = number<std::uint32_t>(words[1]);
        }
}

} // namespace

client_media h264_media(std::string direction) {
    client_codec codec;
    codec.payload_type = 102;
    codec.parameters = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    codec.rtx = 103;
    return video(std::move(direction), std::move(codec));
}

client_media vp8_media(std::string direction) {
    client_codec codec;
    codec.name = "VP8/90000";
    codec.rtx = 97;
    return video(std::move(direction), std::move(codec));
}

client_media opus_media(std::string direction) {
    client_codec codec;
    codec.payload_type = 111;
    codec.name = "opus/48000/2";
    codec.parameters = "minptime=10;useinbandfec=1";
    codec.feedback = {"transport-cc"};
    client_media media;
    media.kind = "audio";
    media.direction = std::move(direction);
    media.codecs = {std::move(codec)};
    media.extensions = {{3, std::string(transport_cc)}};
    media.ssrc = 0x50607080;
    return media;
}

std::string webrtc_client::offer(const std::vector<client_media>& media) const {
    const auto& own = transport();
    std::string text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    text += "a=group:BUNDLE";
    for (std::size_t i = 0; i < media.size(); ++i)
        text += fmt::format(" {}", i);
    text += "\r\na=msid-semantic: WMS\r\n";
    for (std::size_t i = 0; i < media.size(); ++i) {
        const auto& section = media[i];
        text += fmt::format("m={} 9 UDP/TLS/RTP/SAVPF", section.kind);
        for (const auto& codec : section.codecs) {
            text += fmt::format(" {}", codec.payload_type);
            if (codec.rtx)
                text += fmt::format(" {}", codec.rtx);
        }
        text += fmt::format(
            "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n"
            "a=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:{}\r\na=mid:{}\r\n",
            own.ice.ufrag,
            own.ice.password,
            own.fingerprint,
            own.active ? "actpass" : "passive",
            i
        );
        for (const auto& [id, uri] : section.extensions)
            text += fmt::format("a=extmap:{} {}\r\n", id, uri);
        text += fmt::format("a={}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", section.direction);
        for (const auto& codec : section.codecs) {
            text += fmt::format("a=rtpmap:{} {}\r\n", codec.payload_type, codec.name);
            for (const auto& feedback : codec.feedback)
                text += fmt::format("a=rtcp-fb:{} {}\r\n", codec.payload_type, feedback);
            if (!codec.parameters.empty())
                text += fmt::format("a=fmtp:{} {}\r\n", codec.payload_type, codec.parameters);
            if (codec.rtx)
                text += fmt::format(
                    "a=rtpmap:{0} rtx/90000\r\na=fmtp:{0} apt={1}\r\n",
                    codec.rtx,
                    codec.payload_type
                );
        }
        if (section.direction != "sendonly" && section.direction != "sendrecv")
            continue;
        text += fmt::format("a=msid:stream {}\r\n", section.kind);
        if (section.rtx_ssrc)
            text += fmt::format("a=ssrc-group:FID {} {}\r\n", section.ssrc, section.rtx_ssrc);
        for (const auto ssrc : {section.ssrc, section.rtx_ssrc})
            if (ssrc)
                text += fmt::format("a=ssrc:{} cname:rivulet-test\r\n", ssrc);
    }
    return text;
}

const answered_media_section* client_answer::first(std::string_view kind) const {
    const auto found = std::find_if(media.begin(), media.end(), [&](const auto& section) {
        return section.kind == kind && !section.refused;
    });
    return found == media.end() ? nullptr : &*found;
}

outcome<client_answer> parse_answer(std::string_view sdp) {
    client_answer answer;
    std::istringstream in{std::string(sdp)};
    for (std::string line; std::getline(in, line);) {
        if (line.ends_with('\r'))
            line.pop_back();
        if (line.starts_with("m=")) {
            const auto words = words_of(std::string_view(line).substr(2));
            if (words.size() < 4)
                return failure(errc::invalid_argument, "a broken m= line: " + line);
            answered_media_section section;
            section.kind = words[0];
            section.refused = words[1] == "0";
            answer.media.push_back(std::move(section));
        }
        if (!answer.media.empty())
            answer.media.back().text += line + "\n";
        if (!line.starts_with("a="))
            continue;
        const auto attribute = std::string_view(line).substr(2);
        const auto colon = attribute.find(':');
        const auto name = attribute.substr(0, colon);
        const auto value =
            colon == std::string_view::npos ? std::string_view() : attribute.substr(colon + 1);
        auto& transport = answer.transport;
        if (name == "ice-ufrag")
            transport.ice.ufrag = value;
        else if (name == "ice-pwd")
            transport.ice.password = value;
        else if (name == "fingerprint" && value.starts_with("sha-256 "))
            transport.fingerprint = value.substr(8);
        else if (name == "setup")
            answer.passive = value == "passive";
        else if (name == "candidate")
            read_candidate(value, transport);
        else if (!answer.media.empty())
            read_media_attribute(name, value, answer.media.back());
    }
    for (auto& section : answer.media)
        fold_rtx(section);
    const auto& transport = answer.transport;
    if (transport.ice.ufrag.empty() || transport.fingerprint.empty() || answer.media.empty())
        return failure(errc::invalid_argument, "no SDP answer: " + std::string(sdp.substr(0, 200)));
    return answer;
}

} // namespace rivulet::test
