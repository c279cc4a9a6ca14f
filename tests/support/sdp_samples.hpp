// Offers of real clients (tests/data/sdp), lines to look for, and a transport of ours to answer
// with.
#pragma once

#include "webrtc/peer.hpp"
#include "webrtc/sdp_offer.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rivulet::test {

inline std::string sdp_sample(const std::string& name) {
    std::ifstream file(std::string(RIVULET_TEST_DATA) + "/sdp/" + name + ".sdp");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.empty())
        throw std::runtime_error("no sample " + name);
    return text;
}

inline webrtc::sdp_offer parsed_sample(const std::string& name) {
    return webrtc::parse_offer(sdp_sample(name)).value();
}

// `text` with every `from` replaced.
inline std::string edited(std::string text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

inline webrtc::local_transport sample_transport() {
    webrtc::local_transport made;
    made.ice = {"ourUfrag", "ourPasswordOf24Characters"};
    made.fingerprint = "AA:BB:CC";
    webrtc::ice_candidate udp;
    udp.address = "192.0.2.1";
    udp.port = 7280;
    udp.priority = 2130706431;
    udp.foundation = "1";
    webrtc::ice_candidate tcp = udp;
    tcp.tcp = true;
    tcp.priority = 1671430143;
    tcp.foundation = "2";
    made.candidates = {udp, tcp};
    return made;
}

// How often `line` stands in `text` as a whole line.
inline int count_lines(std::string_view text, std::string_view line) {
    int count = 0;
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        if (text.substr(0, end) == line)
            ++count;
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 2);
    }
    return count;
}

// From the n-th m= line to the next one.
inline std::string section_of(const std::string& text, int number) {
    auto begin = text.find("\r\nm=");
    for (int i = 0; i < number && begin != std::string::npos; ++i)
        begin = text.find("\r\nm=", begin + 1);
    if (begin == std::string::npos)
        return {};
    const auto end = text.find("\r\nm=", begin + 1);
    return text.substr(begin + 2, end == std::string::npos ? end : end - begin);
}

} // namespace rivulet::test
