#include "webrtc/sdp_answer.hpp"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rivulet::webrtc {
namespace {

using std::back_inserter;

bool is_ipv6(std::string_view address) {
    return address.find(':') != std::string_view::npos;
}

std::string_view name_of(direction way) {
    switch (way) {
    case direction::sendrecv:
        return "sendrecv";
    case direction::sendonly:
        return "sendonly";
    case direction::recvonly:
        return "recvonly";
    case direction::inactive:
        break;
    }
    return "inactive";
}

// A number for o= that a restarted session does not repeat, without a clock or a generator.
std::uint64_t session_number(std::string_view seed) {
    std::uint64_t hash = 14'695'981'039'346'656'037ULL;
    for (const char c : seed)
        hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
    return hash >> 2; // fits 63 bits, as some parsers want
}

void write_candidates(std::string& out, const local_transport& local) {
    for (const auto& one : local.candidates)
        fmt::format_to(
            back_inserter(out),
            "a=candidate:{} 1 {} {} {} {} typ host{}\r\n",
            one.foundation,
            one.tcp ? "tcp" : "udp",
            one.priority,
            one.address,
            one.port,
            one.tcp ? " tcptype passive" : ""
        );
    out += "a=end-of-candidates\r\n";
}

void write_ice(std::string& out, const local_transport& local) {
    fmt::format_to(
        back_inserter(out),
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        local.ice.ufrag,
        local.ice.password
    );
}

// Where the default candidate is; port 9 is "not known yet".
void write_media_line(
    std::string& out,
    const offered_media& offered,
    std::string_view formats,
    const local_transport& local
) {
    const auto found =
        std::find_if(local.candidates.begin(), local.candidates.end(), [](const auto& candidate) {
            return !candidate.tcp;
        });
    const bool known = found != local.candidates.end();
    const std::string_view address = known ? found->address : std::string_view("0.0.0.0");
    fmt::format_to(
        back_inserter(out),
        "m={} {} {} {}\r\nc=IN {} {}\r\n",
        offered.kind_text,
        known ? found->port : 9,
        offered.protocol,
        formats,
        is_ipv6(address) ? "IP6" : "IP4",
        address
    );
}

void write_mid(std::string& out, const offered_media& offered) {
    if (!offered.mid.empty())
        fmt::format_to(back_inserter(out), "a=mid:{}\r\n", offered.mid);
}

// As registered; not every client compares without case.
std::string registered_name(std::string name) {
    if (name != "opus")
        std::transform(name.begin(), name.end(), name.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
    return name;
}

void write_codec(std::string& out, const answered_codec& answered) {
    const auto& codec = *answered.offered;
    const unsigned type = codec.payload_type;
    fmt::format_to(
        back_inserter(out), "a=rtpmap:{} {}/{}", type, registered_name(codec.name), codec.clock_rate
    );
    if (codec.channels > 1)
        fmt::format_to(back_inserter(out), "/{}", codec.channels);
    out += "\r\n";
    if (!answered.parameters.empty())
        fmt::format_to(back_inserter(out), "a=fmtp:{} {}\r\n", type, answered.parameters);
    for (const auto& what : answered.feedback)
        fmt::format_to(back_inserter(out), "a=rtcp-fb:{} {}\r\n", type, what);
    if (answered.rtx && codec.rtx)
        fmt::format_to(
            back_inserter(out),
            "a=rtpmap:{0} rtx/{1}\r\na=fmtp:{0} apt={2}\r\n",
            unsigned{*codec.rtx},
            codec.clock_rate,
            type
        );
}

void write_source(std::string& out, const answered_media& media) {
    if (media.ssrc == 0)
        return;
    if (!media.stream_label.empty())
        fmt::format_to(
            back_inserter(out), "a=msid:{} {}\r\n", media.stream_label, media.track_label
        );
    if (media.rtx_ssrc != 0)
        fmt::format_to(
            back_inserter(out), "a=ssrc-group:FID {} {}\r\n", media.ssrc, media.rtx_ssrc
        );
    for (const auto ssrc : {media.ssrc, media.rtx_ssrc}) {
        if (ssrc == 0)
            continue;
        fmt::format_to(back_inserter(out), "a=ssrc:{} cname:{}\r\n", ssrc, media.cname);
        if (!media.stream_label.empty())
            fmt::format_to(
                back_inserter(out),
                "a=ssrc:{} msid:{} {}\r\n",
                ssrc,
                media.stream_label,
                media.track_label
            );
    }
}

std::string format_list(const answered_media& media) {
    std::string list;
    for (const auto& codec : media.codecs) {
        fmt::format_to(
            back_inserter(list),
            "{}{}",
            list.empty() ? "" : " ",
            unsigned{codec.offered->payload_type}
        );
        if (codec.rtx && codec.offered->rtx)
            fmt::format_to(back_inserter(list), " {}", unsigned{*codec.offered->rtx});
    }
    return list;
}

void write_refusal(std::string& out, const offered_media& offered) {
    fmt::format_to(
        back_inserter(out),
        "m={} 0 {} {}\r\nc=IN IP4 0.0.0.0\r\n",
        offered.kind_text,
        offered.protocol,
        offered.formats
    );
    write_mid(out, offered);
    out += "a=inactive\r\n";
}

void write_media(
    std::string& out,
    const sdp_offer& offer,
    const offered_media& offered,
    const answered_media& media,
    const local_transport& local,
    bool carries_transport
) {
    write_media_line(out, offered, format_list(media), local);
    write_mid(out, offered);
    write_ice(out, local);
    fmt::format_to(
        back_inserter(out),
        "a=fingerprint:sha-256 {}\r\na=setup:{}\r\na={}\r\na=rtcp-mux\r\n",
        local.fingerprint,
        offer.transport.active ? "passive" : "active",
        name_of(media.direction)
    );
    for (const auto& codec : media.codecs)
        write_codec(out, codec);
    for (const auto& extension : media.extensions)
        fmt::format_to(
            back_inserter(out), "a=extmap:{} {}\r\n", unsigned{extension.id}, extension.uri
        );
    write_source(out, media);
    if (carries_transport)
        write_candidates(out, local);
}

// The accepted sections in the order of the offer's group.
std::string bundle_line(const sdp_offer& offer, const std::vector<answered_media>& media) {
    std::string line;
    for (const auto& mid : offer.bundle)
        for (std::size_t i = 0; i < offer.media.size() && i < media.size(); ++i)
            if (offer.media[i].mid == mid && !media[i].codecs.empty())
                line += " " + mid;
    return line.empty() ? line : "a=group:BUNDLE" + line + "\r\n";
}

} // namespace

std::string write_answer(
    const sdp_offer& offer, const local_transport& local, const std::vector<answered_media>& media
) {
    std::string out = fmt::format(
        "v=0\r\no=- {} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}a=ice-lite\r\n"
        "a=msid-semantic: WMS *\r\n",
        session_number(local.ice.ufrag + local.ice.password),
        bundle_line(offer, media)
    );
    bool transport_written = false;
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        if (i >= media.size() || media[i].codecs.empty()) {
            write_refusal(out, offer.media[i]);
            continue;
        }
        write_media(out, offer, offer.media[i], media[i], local, !transport_written);
        transport_written = true;
    }
    return out;
}

std::string write_fragment(const local_transport& local, std::string_view mid) {
    // The kind of the m= line means nothing in a fragment.
    std::string out = "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
    if (!mid.empty())
        fmt::format_to(back_inserter(out), "a=mid:{}\r\n", mid);
    write_ice(out, local);
    write_candidates(out, local);
    return out;
}

} // namespace rivulet::webrtc
