#include "webrtc/sdp_offer.hpp"

#include "webrtc/sdp_line.hpp"
#include "webrtc/sdp_media.hpp"

#include <algorithm>

namespace rivulet::webrtc {
namespace {

constexpr std::size_t max_sections = 32;

failure refuse(std::string why) {
    return {errc::invalid_argument, std::move(why)};
}

struct fingerprint_size {
    std::string_view algorithm;
    std::size_t octets;
};

constexpr fingerprint_size fingerprints[] = {
    {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}, {"sha-1", 20}};

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "AB:CD:…" of exactly so many octets.
bool good_fingerprint(std::string_view text, std::size_t octets) {
    if (text.size() != octets * 3 - 1)
        return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 == 2 ? text[i] != ':' : !is_hex(text[i]))
            return false;
    return true;
}

// The strongest of those that we can check: a client may name several.
void take_fingerprint(const std::vector<std::string_view>& lines, remote_transport& into) {
    for (const auto& known : fingerprints)
        for (auto rest : lines) {
            const auto algorithm = lower_case(take_word(rest));
            const auto value = trimmed(rest);
            if (algorithm != known.algorithm || !good_fingerprint(value, known.octets))
                continue;
            into.fingerprint_algorithm = algorithm;
            into.fingerprint = value;
            return;
        }
}

const std::vector<std::string_view>&
lines_of(const std::vector<std::string_view>& own, const std::vector<std::string_view>& session) {
    return own.empty() ? session : own;
}

outcome<remote_transport> read_transport(const sdp_part& session, const sdp_part& section) {
    const auto either = [&](std::string_view name) {
        const auto own = section.value(name);
        return own.empty() ? session.value(name) : own;
    };
    if (session.has("ice-lite"))
        return failure(
            errc::unsupported,
            "the offer says ice-lite, and so does this gateway: nobody would "
            "begin; the client must be a full ICE agent"
        );
    remote_transport made;
    made.ice.ufrag = either("ice-ufrag");
    made.ice.password = either("ice-pwd");
    if (made.ice.ufrag.empty() || made.ice.password.empty())
        return refuse("the offer has no ICE credentials (a=ice-ufrag and a=ice-pwd)");
    if (!good_ufrag(made.ice.ufrag) || !good_password(made.ice.password))
        return refuse("the offer's ICE credentials are too short, too long or hold odd characters");
    const auto own = section.values("fingerprint");
    const auto common = session.values("fingerprint");
    take_fingerprint(lines_of(own, common), made);
    if (made.fingerprint.empty())
        return refuse("the offer has no usable a=fingerprint (sha-1 to sha-512)");
    const auto setup = either("setup");
    if (same_without_case(setup, "passive"))
        made.active = false;
    else if (!setup.empty() && !same_without_case(setup, "actpass") && !same_without_case(setup, "active"))
        return refuse("the offer's a=setup must be actpass, active or passive");
    return made;
}

bool is_media(const offered_media& section) {
    return section.kind != media_kind::other && !section.refused;
}

// The first group counts; mids that name no section are dropped.
outcome<std::vector<std::string>>
read_bundle(const sdp_part& session, const std::vector<offered_media>& sections) {
    std::vector<std::string> bundle;
    for (auto rest : session.values("group")) {
        if (!same_without_case(take_word(rest), "BUNDLE"))
            continue;
        for (auto mid = take_word(rest); !mid.empty(); mid = take_word(rest)) {
            const auto named = std::count_if(sections.begin(), sections.end(), [&](const auto& m) {
                return m.mid == mid;
            });
            if (named > 1)
                return refuse("two sections of the offer have the same a=mid");
            if (named == 1 && std::find(bundle.begin(), bundle.end(), mid) == bundle.end())
                bundle.emplace_back(mid);
            if (bundle.size() > max_sections)
                break;
        }
        break;
    }
    return bundle;
}

bool bundled(const std::vector<std::string>& bundle, const offered_media& section) {
    return std::find(bundle.begin(), bundle.end(), section.mid) != bundle.end();
}

outcome<void> check_sections(sdp_offer& offer) {
    const auto count = std::count_if(offer.media.begin(), offer.media.end(), is_media);
    if (count == 0)
        return refuse("the offer has no audio or video section with UDP/TLS/RTP/SAVPF");
    if (offer.bundle.empty() && count > 1)
        return refuse("the offer must bundle its sections (a=group:BUNDLE; in GStreamer "
                      "bundle-policy=max-bundle): everything travels through one port");
    // What stays outside the bundle would need a transport of its own.
    if (!offer.bundle.empty())
        for (auto& section : offer.media)
            if (!bundled(offer.bundle, section))
                section.refused = true;
    bool any = false;
    for (const auto& section : offer.media) {
        if (!is_media(section))
            continue;
        any = true;
        if (!section.rtcp_mux)
            return refuse("the offer lacks a=rtcp-mux: RTCP has no port of its own here");
    }
    if (!any)
        return refuse("the offer's bundle has no audio or video section");
    return {};
}

} // namespace

std::string_view offered_codec::parameter(std::string_view key) const {
    std::string_view rest = parameters;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(';'), rest.size());
        const auto one = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto equals = std::min(one.find('='), one.size());
        if (same_without_case(trimmed(one.substr(0, equals)), key))
            return equals == one.size() ? std::string_view{} : trimmed(one.substr(equals + 1));
    }
    return {};
}

bool offered_codec::has_feedback(std::string_view what) const {
    return std::find(feedback.begin(), feedback.end(), what) != feedback.end();
}

std::optional<std::uint8_t> offered_media::extension(std::string_view uri) const {
    const auto found = std::find_if(extensions.begin(), extensions.end(), [&](const auto& entry) {
        return entry.uri == uri;
    });
    if (found == extensions.end())
        return {};
    return found->id;
}

const offered_media* sdp_offer::first(media_kind kind) const {
    const auto found = std::find_if(media.begin(), media.end(), [&](const auto& section) {
        return section.kind == kind && !section.refused;
    });
    return found == media.end() ? nullptr : &*found;
}

outcome<sdp_offer> parse_offer(std::string_view text) {
    if (text.empty())
        return refuse("the body is empty; it must be an SDP offer");
    if (text.size() > max_sdp_bytes)
        return failure(errc::too_large, "the offer is larger than 64 KiB");
    auto lines = split_lines(text);
    if (!lines)
        return lines.error();
    if (lines->empty() || lines->front().type != 'v' || trimmed(lines->front().value) != "0")
        return refuse("this is not SDP: it must begin with v=0");

    sdp_part session;
    std::vector<sdp_part> sections;
    for (const auto& line : *lines) {
        if (line.type == 'm') {
            if (sections.size() == max_sections)
                return refuse("the offer has more than 32 sections");
            sections.emplace_back();
            sections.back().first_line = line.value;
        } else if (line.type == 'a') {
            auto& part = sections.empty() ? session : sections.back();
            part.attributes.push_back(split_attribute(line.value));
        }
    }
    if (sections.empty())
        return refuse("the offer has no media section (m=)");

    sdp_offer offer;
    for (const auto& section : sections) {
        auto made = read_media(session, section);
        if (!made)
            return made.error();
        offer.media.push_back(std::move(*made));
    }
    auto bundle = read_bundle(session, offer.media);
    if (!bundle)
        return bundle.error();
    offer.bundle = std::move(*bundle);
    if (auto checked = check_sections(offer); !checked)
        return checked.error();

    // Clients that have not bundled yet give each section a transport of its own; once our answer
    // bundles them, the first one carries everything.
    for (std::size_t i = 0; i < sections.size(); ++i) {
        if (!is_media(offer.media[i]))
            continue;
        auto transport = read_transport(session, sections[i]);
        if (!transport)
            return transport.error();
        offer.transport = std::move(*transport);
        break;
    }
    return offer;
}

outcome<ice_parameters> parse_fragment(std::string_view text) {
    if (text.size() > max_sdp_bytes)
        return failure(errc::too_large, "the fragment is larger than 64 KiB");
    auto lines = split_lines(text);
    if (!lines)
        return lines.error();
    ice_parameters made;
    for (const auto& line : *lines) {
        if (line.type != 'a')
            continue;
        const auto attribute = split_attribute(line.value);
        if (made.ufrag.empty() && same_without_case(attribute.name, "ice-ufrag"))
            made.ufrag = attribute.value;
        else if (made.password.empty() && same_without_case(attribute.name, "ice-pwd"))
            made.password = attribute.value;
    }
    if (made.ufrag.empty() && made.password.empty())
        return made;
    if (!good_ufrag(made.ufrag) || !good_password(made.password))
        return refuse("the fragment's ICE credentials can't be used; it needs both, a=ice-ufrag of "
                      "at least 4 and a=ice-pwd of at least 22 characters");
    return made;
}

} // namespace rivulet::webrtc
