#include "support/whep_viewer.hpp"

#include "media/av_ptr.hpp"
#include "media/h264.hpp"
#include "support/sdp_samples.hpp"

#include <algorithm>
#include <poll.h>
#include <regex>
#include <stdexcept>

namespace rivulet::test {
namespace {

using octets = std::vector<std::uint8_t>;

// `text` with every line that begins so replaced, or taken out when `line` is empty.
std::string with_lines(const std::string& text, std::string_view begin, const std::string& line) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
        const auto one = text.substr(at, end - at);
        if (!one.starts_with(begin))
            out += one;
        else if (!line.empty())
            out += line + "\r\n";
        at = end;
    }
    return out;
}

std::uint32_t u16(const octets& from, std::size_t at) {
    return std::uint32_t{from.at(at)} << 8 | from.at(at + 1);
}

std::uint32_t u32(const octets& from, std::size_t at) {
    return u16(from, at) << 16 | u16(from, at + 2);
}

void put_u32(octets& to, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        to.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Appends the payload's NAL units as Annex B; false when it makes no sense.
bool append_nals(const octets& payload, octets& out) {
    static const octets start{0, 0, 0, 1};
    if (payload.size() < 2)
        return false;
    const int type = payload[0] & 0x1f;
    if (type == 24) {
        for (std::size_t at = 1; at + 2 <= payload.size();) {
            const auto size = u16(payload, at);
            if (at + 2 + size > payload.size())
                return false;
            out.insert(out.end(), start.begin(), start.end());
            const auto begin = payload.begin() + static_cast<std::ptrdiff_t>(at) + 2;
            out.insert(out.end(), begin, begin + size);
            at += 2 + size;
        }
    } else if (type == 28) {
        if (payload[1] & 0x80) {
            out.insert(out.end(), start.begin(), start.end());
            out.push_back(static_cast<std::uint8_t>((payload[0] & 0xe0) | (payload[1] & 0x1f)));
        }
        out.insert(out.end(), payload.begin() + 2, payload.end());
    } else {
        out.insert(out.end(), start.begin(), start.end());
        out.insert(out.end(), payload.begin(), payload.end());
    }
    return type >= 1 && type <= 28;
}

} // namespace

whep_viewer::whep_viewer(std::uint16_t http_port, std::string path, viewer_options options)
    : options_(std::move(options)), http_port_(http_port), begun_(steady_clock::now()),
      socket_(context_) {
    const auto& own = peer_.announced();
    auto offer = sdp_sample(options_.offer);
    offer = with_lines(offer, "a=ice-ufrag:", "a=ice-ufrag:" + own.ice.ufrag);
    offer = with_lines(offer, "a=ice-pwd:", "a=ice-pwd:" + own.ice.password);
    offer = with_lines(offer, "a=fingerprint:", "a=fingerprint:sha-256 " + own.fingerprint);
    offer = with_lines(offer, "a=setup:", "a=setup:active");
    if (!options_.rtx)
        offer = std::regex_replace(offer, std::regex("a=rtpmap:\\d+ rtx/90000\r?\n"), "");
    raw_client client(http_port);
    client.deadline(milliseconds(15'000));
    client.send(request_with_body(
        "POST", path, offer, "Content-Type: application/sdp\r\n" + options_.headers
    ));
    reply_ = client.read_reply();
    if (accepted())
        read_answer();
}

whep_viewer::~whep_viewer() = default;

void whep_viewer::read_answer() {
    const auto& answer = reply_.body;
    auto value = [&](const std::string& pattern) {
        std::smatch match;
        if (!std::regex_search(answer, match, std::regex(pattern)))
            throw std::runtime_error("the answer lacks " + pattern + "\n" + answer);
        return match[1].str();
    };
    std::smatch candidate;
    const std::regex udp("a=candidate:\\S+ 1 (?:udp|UDP) \\d+ (\\S+) (\\d+) typ host");
    if (!std::regex_search(answer, candidate, udp))
        throw std::runtime_error("no candidate\n" + answer);
    gateway_ = {
        asio::ip::make_address(candidate[1].str()),
        static_cast<std::uint16_t>(std::stoi(candidate[2].str()))};
    peer_.begin(
        {value("a=ice-ufrag:(\\S+)"), value("a=ice-pwd:(\\S+)")},
        value("a=fingerprint:sha-256 (\\S+)")
    );
    // Sections in turn.
    std::size_t at = answer.find("m=");
    while (at != std::string::npos) {
        const auto next = answer.find("\nm=", at);
        const auto section = answer.substr(at, next == std::string::npos ? next : next + 1 - at);
        at = next == std::string::npos ? next : next + 1;
        if (section.find("a=sendonly") == std::string::npos)
            continue;
        std::smatch match;
        auto& track = section.starts_with("m=video") ? video_ : audio_;
        if (std::regex_search(section, match, std::regex("a=rtpmap:(\\d+) (?:H264|h264|opus)/")))
            track.payload_type = std::stoi(match[1].str());
        if (std::regex_search(section, match, std::regex("a=rtpmap:(\\d+) rtx/")))
            track.rtx_payload_type = std::stoi(match[1].str());
        if (std::regex_search(section, match, std::regex("a=ssrc:(\\d+) ")))
            track.ssrc = static_cast<std::uint32_t>(std::stoul(match[1].str()));
    }
    socket_.open(asio::ip::udp::v4());
    socket_.bind({asio::ip::address_v4::loopback(), 0});
    socket_.set_option(asio::socket_base::receive_buffer_size(1 << 20));
    socket_.non_blocking(true);
}

raw_reply whep_viewer::remove() {
    return test::ask(http_port_, request_text("DELETE", location(), options_.headers));
}

void whep_viewer::flush() {
    std::bernoulli_distribution lost(options_.loss);
    for (const auto& datagram : peer_.output()) {
        if (peer_.connected() && lost(random_))
            continue;
        error_code ec;
        socket_.send_to(asio::buffer(datagram), gateway_, 0, ec);
    }
}

void whep_viewer::step(milliseconds wait) {
    if (!accepted())
        return;
    std::bernoulli_distribution lost(options_.loss);
    pollfd look{socket_.native_handle(), POLLIN, 0};
    ::poll(&look, 1, static_cast<int>(wait.count()));
    octets datagram(2048);
    for (;;) {
        error_code ec;
        asio::ip::udp::endpoint from;
        const auto size = socket_.receive_from(asio::buffer(datagram), from, 0, ec);
        if (ec)
            break;
        if (peer_.connected() && lost(random_))
            continue;
        peer_.receive({datagram.data(), size}, steady_clock::now());
    }
    const auto now = steady_clock::now();
    for (auto& packet : std::exchange(peer_.rtp_in, {}))
        receive(std::move(packet), now);
    for (const auto& packet : std::exchange(peer_.rtcp_in, {}))
        read_reports(packet);
    if (options_.nack)
        ask(video_, now);
    peer_.tick(now);
    flush();
}

void whep_viewer::run_for(milliseconds time) {
    run_until([] { return false; }, time);
}

bool whep_viewer::run_until(const std::function<bool()>& done, milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    while (!done()) {
        if (steady_clock::now() >= until)
            return false;
        step(milliseconds(5));
    }
    return true;
}

void whep_viewer::receive(octets packet, time_point now) {
    if (packet.size() < 12)
        return;
    const int type = packet[1] & 0x7f;
    received_track::packet one;
    one.marker = packet[1] & 0x80;
    one.timestamp = u32(packet, 4);
    one.at = now;
    one.extension = packet[0] & 0x10;
    std::size_t begin = 12;
    if (one.extension)
        begin += 4 + u16(packet, 14) * 4;
    auto sequence = static_cast<std::uint16_t>(u16(packet, 2));
    auto& track = type == video_.payload_type || type == video_.rtx_payload_type ? video_ : audio_;
    if (type == track.rtx_payload_type) {
        sequence = static_cast<std::uint16_t>(u16(packet, begin));
        begin += 2;
        ++track.resent;
    } else if (type != track.payload_type || u32(packet, 8) != track.ssrc) {
        throw std::runtime_error("a packet of a strange stream");
    }
    one.payload = {packet.begin() + static_cast<std::ptrdiff_t>(begin), packet.end()};
    take(track, sequence, std::move(one));
}

void whep_viewer::take(received_track& track, std::uint16_t sequence, received_track::packet one) {
    std::uint64_t at = 0x10000 + sequence;
    if (!track.packets.empty()) {
        const auto newest = track.packets.rbegin()->first;
        at = newest +
             static_cast<std::uint64_t>(std::int64_t{static_cast<std::int16_t>(sequence - newest)});
        for (auto gap = newest + 1; gap < at; ++gap)
            track.missing[gap] = {0, time_point{}};
    }
    track.missing.erase(at);
    track.twice += !track.packets.emplace(at, std::move(one)).second;
}

void whep_viewer::ask(received_track& track, time_point now) {
    octets entries;
    for (auto& [sequence, asked] : track.missing) {
        if (asked.first >= 10 || now - asked.second < std::chrono::milliseconds(25))
            continue;
        ++asked.first;
        asked.second = now;
        entries.push_back(static_cast<std::uint8_t>(sequence >> 8));
        entries.push_back(static_cast<std::uint8_t>(sequence));
        entries.insert(entries.end(), 2, 0);
        if (entries.size() == 400)
            break;
    }
    if (entries.empty())
        return;
    octets compound{0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 205, 0, 0, 0, 0, 0, 1};
    compound[11] = static_cast<std::uint8_t>(2 + entries.size() / 4);
    put_u32(compound, track.ssrc);
    compound.insert(compound.end(), entries.begin(), entries.end());
    peer_.send_rtcp(compound);
}

void whep_viewer::request_keyframe() {
    octets compound{0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 206, 0, 2, 0, 0, 0, 1};
    put_u32(compound, video_.ssrc);
    peer_.send_rtcp(compound);
    flush();
}

void whep_viewer::report(std::uint8_t fraction_lost) {
    octets compound{0x81, 201, 0, 7, 0, 0, 0, 1};
    put_u32(compound, video_.ssrc);
    compound.insert(compound.end(), {fraction_lost, 0, 0, 9});
    put_u32(compound, 0);
    put_u32(compound, 90);
    const auto ntp = video_.reports.empty() ? 0 : video_.reports.back().ntp;
    put_u32(compound, static_cast<std::uint32_t>(ntp >> 16));
    put_u32(compound, 0);
    peer_.send_rtcp(compound);
    flush();
}

void whep_viewer::read_reports(std::span<const std::uint8_t> compound) {
    const octets all(compound.begin(), compound.end());
    for (std::size_t at = 0; at + 8 <= all.size();) {
        const auto size = (u16(all, at + 2) + 1) * 4;
        if (all[at + 1] == 200) {
            auto& track = u32(all, at + 4) == video_.ssrc ? video_ : audio_;
            track.reports.push_back(
                {std::uint64_t{u32(all, at + 8)} << 32 | u32(all, at + 12),
                 u32(all, at + 16),
                 u32(all, at + 20)}
            );
        } else if (all[at + 1] == 203) {
            video_.bye = audio_.bye = true;
        }
        at += size;
    }
}

std::vector<received_frame> whep_viewer::video_frames() const {
    std::vector<received_frame> frames;
    received_frame frame;
    bool whole = false; // nothing of it is missing so far
    std::uint64_t expected = 0;
    for (const auto& [sequence, packet] : video_.packets) {
        const bool follows = sequence == expected;
        expected = sequence + 1;
        if (frame.annexb.empty() || frame.timestamp != packet.timestamp) {
            // A frame begins behind the marker of the one before.
            whole = frame.annexb.empty() && (follows || frames.empty());
            frame = {};
            frame.timestamp = packet.timestamp;
        } else {
            whole = whole && follows;
        }
        whole = append_nals(packet.payload, frame.annexb) && whole;
        frame.completed = std::max(frame.completed, packet.at);
        if (!packet.marker)
            continue;
        if (whole) {
            frame.keyframe = media::h264::has_idr(frame.annexb);
            frames.push_back(std::move(frame));
        }
        frame = {};
    }
    return frames;
}

whep_viewer::decoded whep_viewer::decode() const {
    decoded seen;
    av_log_set_level(AV_LOG_FATAL);
    const auto* codec = avcodec_find_decoder(AV_CODEC_ID_H264);
    media::av_ptr<AVCodecContext> decoder(avcodec_alloc_context3(codec));
    decoder->thread_count = 1;
    if (avcodec_open2(decoder.get(), codec, nullptr) < 0)
        throw std::runtime_error("h264 decoder");
    media::av_ptr<AVFrame> picture(av_frame_alloc());
    auto take = [&] {
        while (avcodec_receive_frame(decoder.get(), picture.get()) >= 0) {
            ++seen.pictures;
            seen.width = picture->width;
            seen.height = picture->height;
            seen.errors += picture->decode_error_flags != 0;
        }
    };
    for (const auto& frame : video_frames()) {
        media::av_ptr<AVPacket> packet(av_packet_alloc());
        if (av_new_packet(packet.get(), static_cast<int>(frame.annexb.size())) < 0)
            throw std::bad_alloc();
        std::copy(frame.annexb.begin(), frame.annexb.end(), packet->data);
        packet->pts = packet->dts = frame.timestamp;
        seen.errors += avcodec_send_packet(decoder.get(), packet.get()) < 0;
        take();
    }
    avcodec_send_packet(decoder.get(), nullptr);
    take();
    return seen;
}

} // namespace rivulet::test
