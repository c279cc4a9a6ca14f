#include "ingest/rtmp_session_fsm.hpp"

#include <algorithm>

namespace rivulet::ingest {
namespace {

constexpr std::uint32_t our_window = 2'500'000;
constexpr std::uint32_t most_streams = 16;
constexpr std::size_t most_commands = 4096; // before and between media; a flood is no encoder
constexpr std::size_t most_output = 1u << 20;

enum user_event : std::uint16_t {
    stream_begin = 0,
    stream_end = 1,
    ping_request = 6,
    ping_response = 7,
};

std::uint32_t big_endian(std::span<const std::uint8_t> at, int octets) {
    std::uint32_t value = 0;
    for (int i = 0; i < octets; ++i)
        value = value << 8 | at[static_cast<std::size_t>(i)];
    return value;
}

bytes hold(std::vector<std::uint8_t> raw) {
    auto held = std::make_shared<const std::vector<std::uint8_t>>(std::move(raw));
    const std::span<const std::uint8_t> view(*held);
    return {std::move(held), view};
}

} // namespace

namespace {

rtmp_chunk_limits for_strangers(const rtmp_session_limits& limits) {
    auto narrow = limits.chunks;
    narrow.chunk_streams = std::min(narrow.chunk_streams, limits.stranger_chunk_streams);
    narrow.unfinished_bytes = limits.stranger_bytes;
    return narrow;
}

} // namespace

rtmp_session_fsm::rtmp_session_fsm(rtmp_session_limits limits, time_point now)
    : limits_(limits), reader_(for_strangers(limits)), started_(now), last_byte_(now) {}

void rtmp_session_fsm::receive(std::span<const std::uint8_t> in, time_point now) {
    last_byte_ = now;
    received_ += in.size();
    if (phase_ == phase::over)
        return;
    if (phase_ == phase::handshake) {
        auto complete = handshake_.receive(in, out_);
        if (!complete)
            return end(rtmp_end::violation, "this is not RTMP");
        if (!*complete)
            return;
        phase_ = phase::commands;
    }
    auto failed = reader_.receive(in, messages_);
    if (const auto oldest = reader_.oldest_unfinished(); oldest != awaited_) {
        awaited_ = oldest;
        awaited_since_ = now;
    }
    auto batch = std::exchange(messages_, {});
    for (const auto& whole : batch) {
        message(whole);
        if (phase_ == phase::over)
            return;
    }
    batch.clear();
    messages_ = std::move(batch); // keeps its capacity
    if (failed)
        return end(rtmp_end::violation, "broken chunk stream: " + failed.message());
    acknowledge();
}

void rtmp_session_fsm::tick(time_point now) {
    if (phase_ == phase::over || now < deadline())
        return;
    if (phase_ == phase::publishing)
        end(rtmp_end::too_slow,
            now >= last_byte_ + limits_.idle ? "no data from the publisher"
                                             : "a message was not finished in time");
    else
        end(rtmp_end::too_slow,
            connected_ ? "asked neither to publish nor to play" : "no handshake in time");
}

time_point rtmp_session_fsm::deadline() const {
    switch (phase_) {
    case phase::handshake:
    case phase::commands:
        return started_ + limits_.handshake;
    case phase::publishing:
        return awaited_ == 0
                   ? last_byte_ + limits_.idle
                   : std::min(last_byte_ + limits_.idle, awaited_since_ + limits_.message);
    case phase::asked: // the owner decides
    case phase::playing:
    case phase::over:
        break;
    }
    return time_point::max();
}

std::optional<rtmp_session_event> rtmp_session_fsm::next_event() {
    if (events_.empty())
        return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void rtmp_session_fsm::accept_publish(time_point now) {
    if (phase_ != phase::asked)
        return;
    phase_ = phase::publishing;
    reader_.set_limits(limits_.chunks);
    last_byte_ = now;
    awaited_since_ = now;
    send_event(stream_begin, stream_);
    status("status", "NetStream.Publish.Start", "publishing");
}

void rtmp_session_fsm::begin_play() {
    if (phase_ != phase::asked)
        return;
    phase_ = phase::playing;
    send_event(stream_begin, stream_);
    status("status", "NetStream.Play.Reset", "reset");
    status("status", "NetStream.Play.Start", "playing");
    send_command(stream_, {"|RtmpSampleAccess", true, true});
}

void rtmp_session_fsm::refuse(std::string_view code, std::string_view description) {
    if (phase_ == phase::over)
        return;
    status("error", code, description);
    phase_ = phase::over;
}

void rtmp_session_fsm::status(
    std::string_view level, std::string_view code, std::string_view description
) {
    send_command(
        stream_,
        {"onStatus",
         0,
         amf_null{},
         amf_object{{"level", level}, {"code", code}, {"description", description}}}
    );
}

void rtmp_session_fsm::stream_eof() {
    send_event(stream_end, stream_);
}

void rtmp_session_fsm::message(const rtmp_message& m) {
    const auto payload = m.payload.view();
    switch (m.type) {
    case rtmp_type::window_ack_size:
        if (payload.size() >= 4)
            ack_window_ = std::max(big_endian(payload, 4), 4096u);
        return;
    case rtmp_type::user_control:
        return user_control(m);
    case rtmp_type::audio:
    case rtmp_type::video:
    case rtmp_type::data_amf0:
    case rtmp_type::data_amf3:
        return media_message(m);
    case rtmp_type::aggregate:
        return aggregate(m);
    case rtmp_type::command_amf0:
        return command(m, payload);
    case rtmp_type::command_amf3:
        // A wrapper: one octet (0), then the same values in AMF0.
        return payload.empty() ? void() : command(m, payload.subspan(payload[0] == 0 ? 1 : 0));
    case rtmp_type::acknowledgement:
    case rtmp_type::peer_bandwidth:
    default:
        return;
    }
}

void rtmp_session_fsm::command(const rtmp_message& m, std::span<const std::uint8_t> payload) {
    if (++commands_ > most_commands)
        return end(rtmp_end::violation, "too many commands");
    auto parsed = parse_amf0(payload);
    if (!parsed || parsed->empty())
        return end(rtmp_end::violation, "broken command");
    const auto& values = *parsed;
    static const amf_value nothing;
    auto argument = [&](std::size_t i) -> const amf_value& {
        return i < values.size() ? values[i] : nothing;
    };
    const auto name = argument(0).text();
    const double transaction = argument(1).number();

    if (name == "connect")
        return on_connect(transaction, argument(2));
    if (!connected_)
        return end(rtmp_end::violation, "a command before connect");
    if (name == "createStream") {
        if (streams_ >= most_streams)
            return end(rtmp_end::violation, "too many streams");
        return send_command(
            0, {"_result", transaction, amf_null{}, static_cast<double>(++streams_)}
        );
    }
    if (name == "publish")
        return on_publish_or_play(m, argument(3).text(), true);
    if (name == "play")
        return on_publish_or_play(m, argument(3).text(), false);
    if (name == "FCPublish") {
        send_command(
            0,
            {"onFCPublish",
             0,
             amf_null{},
             amf_object{{"code", "NetStream.Publish.Start"}, {"description", argument(3).text()}}}
        );
        return send_command(0, {"_result", transaction, amf_null{}, amf_value{}});
    }
    if (name == "FCSubscribe")
        return send_command(
            0,
            {"onFCSubscribe",
             0,
             amf_null{},
             amf_object{{"code", "NetStream.Play.Start"}, {"description", argument(3).text()}}}
        );
    if (name == "FCUnpublish") {
        send_command(
            0,
            {"onFCUnpublish",
             0,
             amf_null{},
             amf_object{
                 {"code", "NetStream.Unpublish.Success"}, {"description", argument(3).text()}}}
        );
        if (transaction > 0)
            send_command(0, {"_result", transaction, amf_null{}, amf_value{}});
        return;
    }
    if (name == "closeStream" || name == "deleteStream") {
        const bool ours =
            name == "closeStream" ? m.stream == stream_ : argument(3).number() == stream_;
        if (!ours || (phase_ != phase::publishing && phase_ != phase::playing))
            return;
        if (phase_ == phase::publishing)
            status("status", "NetStream.Unpublish.Success", "unpublished");
        return end(rtmp_end::by_client, "closed by the client");
    }
    if (name == "getStreamLength") // a live stream has none
        return send_command(0, {"_result", transaction, amf_null{}, 0});
    if (name == "releaseStream")
        return send_command(0, {"_result", transaction, amf_null{}, amf_value{}});
    // pause, seek, receiveAudio, _checkbw, onStatus, _result and the like: live streams ignore
    // them.
}

void rtmp_session_fsm::on_connect(double transaction, const amf_value& about) {
    if (connected_)
        return end(rtmp_end::violation, "connect twice");
    connected_ = true;
    app_ = about["app"].text();
    tc_url_ = about["tcUrl"].text();
    client_ = std::string(about["flashVer"].text().substr(0, 64));
    send_control(rtmp_type::window_ack_size, {our_window});
    send_control(rtmp_type::peer_bandwidth, {our_window, 2}, 1); // 2: dynamic
    send_control(rtmp_type::set_chunk_size, {rtmp_our_chunk_size});
    writer_.set_chunk_size(rtmp_our_chunk_size);
    send_event(stream_begin, 0);
    send_command(
        0,
        {"_result",
         transaction,
         amf_object{{"fmsVer", "FMS/3,5,7,7009"}, {"capabilities", 31}, {"mode", 1}},
         amf_object{
             {"level", "status"},
             {"code", "NetConnection.Connect.Success"},
             {"description", "connected"},
             {"objectEncoding", 0}}}
    );
    send_command(0, {"onBWDone", 0, amf_null{}});
}

void rtmp_session_fsm::on_publish_or_play(
    const rtmp_message& m, std::string_view key, bool publish
) {
    if (phase_ != phase::commands) {
        status(
            "error",
            publish ? "NetStream.Publish.BadName" : "NetStream.Play.Failed",
            "this connection already publishes or plays"
        );
        return end(rtmp_end::violation, "a second publish or play on one connection");
    }
    stream_ = m.stream;
    auto target = resolve_rtmp_target(app_, tc_url_, key);
    if (!target) {
        status(
            "error",
            publish ? "NetStream.Publish.BadName" : "NetStream.Play.StreamNotFound",
            target.error().detail
        );
        return end(rtmp_end::refused, target.error().detail);
    }
    phase_ = phase::asked;
    if (publish)
        events_.push_back(rtmp_publish_asked{std::move(*target)});
    else
        events_.push_back(rtmp_play_asked{std::move(*target)});
}

void rtmp_session_fsm::media_message(const rtmp_message& m) {
    // Some encoders send at once after publish; it is kept with the asked phase, and refused
    // publishers never get it delivered.
    if (phase_ != phase::publishing && phase_ != phase::asked)
        return;
    commands_ = 0;
    rtmp_media media{media::flv_tag_type::script, m.timestamp, m.payload};
    if (m.type == rtmp_type::audio)
        media.type = media::flv_tag_type::audio;
    else if (m.type == rtmp_type::video)
        media.type = media::flv_tag_type::video;
    else if (m.type == rtmp_type::data_amf3 && !m.payload.empty() && m.payload.data()[0] == 0)
        media.body = m.payload.slice(1, m.payload.size() - 1);
    if (media.type == media::flv_tag_type::script) {
        // "@setDataFrame", "onMetaData", {…}: the file form lacks the first value.
        static constexpr std::string_view wrapper("\x02\x00\x0d@setDataFrame", 16);
        if (media.body.text().starts_with(wrapper))
            media.body = media.body.slice(wrapper.size(), media.body.size() - wrapper.size());
    }
    events_.push_back(std::move(media));
}

// FLV tags in one message; their times are relative to that of the first.
void rtmp_session_fsm::aggregate(const rtmp_message& m) {
    constexpr std::size_t tag_header = 11, tag_trailer = 4;
    auto rest = m.payload;
    std::optional<std::uint32_t> first;
    while (rest.size() >= tag_header) {
        const auto view = rest.view();
        const std::size_t length = big_endian(view.subspan(1), 3);
        const std::uint32_t time =
            big_endian(view.subspan(4), 3) | static_cast<std::uint32_t>(view[7]) << 24;
        if (rest.size() < tag_header + length)
            return end(rtmp_end::violation, "broken aggregate message");
        if (!first)
            first = time;
        rtmp_message part;
        part.type = static_cast<rtmp_type>(view[0]);
        part.stream = m.stream;
        part.timestamp = m.timestamp + (time - *first);
        part.payload = rest.slice(tag_header, length);
        if (part.type == rtmp_type::audio || part.type == rtmp_type::video ||
            part.type == rtmp_type::data_amf0)
            media_message(part);
        const auto used = std::min(rest.size(), tag_header + length + tag_trailer);
        rest = rest.slice(used, rest.size() - used);
    }
}

void rtmp_session_fsm::user_control(const rtmp_message& m) {
    const auto payload = m.payload.view();
    if (payload.size() < 6 || big_endian(payload, 2) != ping_request)
        return;
    if (++commands_ > most_commands && phase_ != phase::playing)
        return end(rtmp_end::violation, "too many pings");
    send_event(ping_response, big_endian(payload.subspan(2), 4));
}

void rtmp_session_fsm::end(rtmp_end how, std::string reason) {
    if (phase_ == phase::over)
        return;
    phase_ = phase::over;
    events_.push_back(rtmp_ended{how, std::move(reason)});
}

void rtmp_session_fsm::send(const rtmp_message& m) {
    // A peer that asks and never reads must not fill our memory.
    if (out_.size() > most_output)
        return end(rtmp_end::violation, "takes none of our replies");
    writer_.append(out_, m);
}

void rtmp_session_fsm::send_control(
    rtmp_type type, std::initializer_list<std::uint32_t> words, int last_octets
) {
    std::vector<std::uint8_t> payload;
    for (const auto& word : words) {
        const int octets = &word == words.end() - 1 ? last_octets : 4;
        for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8)
            payload.push_back(static_cast<std::uint8_t>(word >> shift));
    }
    rtmp_message m;
    m.type = type;
    m.chunk_stream = 2;
    m.payload = hold(std::move(payload));
    send(m);
}

void rtmp_session_fsm::send_event(std::uint16_t event, std::uint32_t value) {
    rtmp_message m;
    m.type = rtmp_type::user_control;
    m.chunk_stream = 2;
    std::vector<std::uint8_t> payload{
        static_cast<std::uint8_t>(event >> 8), static_cast<std::uint8_t>(event)};
    for (int shift = 24; shift >= 0; shift -= 8)
        payload.push_back(static_cast<std::uint8_t>(value >> shift));
    m.payload = hold(std::move(payload));
    send(m);
}

void rtmp_session_fsm::send_command(std::uint32_t stream, std::initializer_list<amf_value> values) {
    rtmp_message m;
    // Data such as |RtmpSampleAccess is told from commands by having no transaction.
    const bool is_data = values.begin()->text().starts_with('|');
    m.type = is_data ? rtmp_type::data_amf0 : rtmp_type::command_amf0;
    m.chunk_stream = stream == 0 ? 3 : 5;
    m.stream = stream;
    m.payload = hold(to_amf0(values));
    send(m);
}

void rtmp_session_fsm::acknowledge() {
    if (ack_window_ == 0 || received_ - acknowledged_ < ack_window_ / 2)
        return;
    acknowledged_ = received_;
    send_control(rtmp_type::acknowledgement, {static_cast<std::uint32_t>(received_)});
}

} // namespace rivulet::ingest
