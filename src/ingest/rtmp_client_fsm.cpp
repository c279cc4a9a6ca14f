#include "ingest/rtmp_client_fsm.hpp"

#include "ingest/peer_text.hpp"
#include "ingest/rtmp_session_fsm.hpp"

namespace rivulet::ingest {
namespace {

// Transaction numbers, fixed because each command is sent once.
constexpr double t_connect = 1, t_release = 2, t_fc_publish = 3, t_create = 4, t_unpublish = 6;
constexpr std::uint32_t our_window = 2'500'000;
constexpr std::size_t most_output = 1u << 20;

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

rtmp_client_fsm::rtmp_client_fsm(rtmp_role role, rtmp_url target, rtmp_chunk_limits limits)
    : role_(role), target_(std::move(target)), reader_(limits) {}

void rtmp_client_fsm::start() {
    handshake_.start(out_);
}

void rtmp_client_fsm::receive(std::span<const std::uint8_t> in) {
    received_ += in.size();
    if (phase_ == phase::over)
        return;
    if (phase_ == phase::handshake) {
        auto complete = handshake_.receive(in, out_);
        if (!complete)
            return end(false, "the server does not speak RTMP");
        if (!*complete)
            return;
        send_connect();
    }
    std::vector<rtmp_message> batch;
    const auto failed = reader_.receive(in, batch);
    for (auto& whole : batch) {
        message(whole);
        if (phase_ == phase::over)
            return;
    }
    if (failed)
        return end(false, "broken chunk stream: " + failed.message());
    if (ack_window_ > 0 && received_ - acknowledged_ >= ack_window_ / 2) {
        acknowledged_ = received_;
        send_words(rtmp_type::acknowledgement, {static_cast<std::uint32_t>(received_)});
    }
}

std::optional<rtmp_client_event> rtmp_client_fsm::next_event() {
    if (events_.empty())
        return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void rtmp_client_fsm::finish() {
    if (phase_ != phase::running)
        return;
    if (role_ == rtmp_role::publish)
        send_command(0, {"FCUnpublish", t_unpublish, amf_null{}, target_.key});
    send_command(0, {"deleteStream", 0, amf_null{}, static_cast<double>(stream_)});
    phase_ = phase::over;
}

void rtmp_client_fsm::message(rtmp_message& m) {
    const auto payload = m.payload.view();
    switch (m.type) {
    case rtmp_type::window_ack_size:
        if (payload.size() >= 4)
            ack_window_ = big_endian(payload, 4);
        return;
    case rtmp_type::peer_bandwidth:
        if (payload.size() >= 4)
            send_words(rtmp_type::window_ack_size, {big_endian(payload, 4)});
        return;
    case rtmp_type::user_control:
        if (payload.size() >= 6 && big_endian(payload, 2) == 6) { // ping
            rtmp_message pong;
            pong.type = rtmp_type::user_control;
            pong.chunk_stream = 2;
            std::vector<std::uint8_t> answer(payload.begin(), payload.begin() + 6);
            answer[1] = 7;
            pong.payload = hold(std::move(answer));
            send(pong);
        }
        return;
    case rtmp_type::audio:
    case rtmp_type::video:
    case rtmp_type::data_amf0:
        if (role_ == rtmp_role::play && phase_ == phase::running)
            events_.push_back(rtmp_client_media{std::move(m)});
        return;
    case rtmp_type::command_amf0:
        return command(m, payload);
    case rtmp_type::command_amf3:
        return payload.empty() ? void() : command(m, payload.subspan(payload[0] == 0 ? 1 : 0));
    default:
        return;
    }
}

void rtmp_client_fsm::command(const rtmp_message&, std::span<const std::uint8_t> payload) {
    auto parsed = parse_amf0(payload);
    if (!parsed || parsed->empty())
        return end(false, "broken command from the server");
    const auto& values = *parsed;
    static const amf_value nothing;
    auto argument = [&](std::size_t i) -> const amf_value& {
        return i < values.size() ? values[i] : nothing;
    };
    const auto name = argument(0).text();
    if (name == "onStatus")
        return on_status(argument(3));
    if (name == "_result")
        return on_result(argument(1).number(), argument(3));
    const double transaction = argument(1).number();
    // Many servers answer releaseStream and FCPublish with an error and mean nothing by it.
    if (name == "_error" && (transaction == t_connect || transaction == t_create)) {
        const auto& info = argument(3);
        end(false, shown(info["code"].text()) + ": " + shown(info["description"].text()));
    }
}

void rtmp_client_fsm::on_result(double transaction, const amf_value& value) {
    if (transaction == t_connect && phase_ == phase::connecting) {
        phase_ = phase::creating;
        if (role_ == rtmp_role::publish) {
            send_command(0, {"releaseStream", t_release, amf_null{}, target_.key});
            send_command(0, {"FCPublish", t_fc_publish, amf_null{}, target_.key});
        }
        send_command(0, {"createStream", t_create, amf_null{}});
        return;
    }
    if (transaction == t_create && phase_ == phase::creating) {
        const double id = value.number();
        if (!(id >= 0 && id <= 0xffffffff))
            return end(false, "the server gave no usable stream id");
        stream_ = static_cast<std::uint32_t>(id);
        phase_ = phase::asking;
        if (role_ == rtmp_role::publish) {
            send_command(stream_, {"publish", 5, amf_null{}, target_.key, "live"});
        } else {
            send_command(stream_, {"play", 5, amf_null{}, target_.key, -2000});
            // User control 3, set buffer length: some servers wait for it.
            rtmp_message buffer;
            buffer.type = rtmp_type::user_control;
            buffer.chunk_stream = 2;
            std::vector<std::uint8_t> payload{0, 3};
            for (std::uint32_t word : {stream_, 3000u})
                for (int shift = 24; shift >= 0; shift -= 8)
                    payload.push_back(static_cast<std::uint8_t>(word >> shift));
            buffer.payload = hold(std::move(payload));
            send(buffer);
        }
    }
}

void rtmp_client_fsm::on_status(const amf_value& info) {
    const auto code = shown(info["code"].text());
    const auto description = shown(info["description"].text());
    const auto both = description.empty() ? code : code + ": " + description;
    if (info["level"].text() == "error")
        return end(false, both);
    if (phase_ == phase::asking &&
        (code == "NetStream.Publish.Start" || code == "NetStream.Play.Start")) {
        phase_ = phase::running;
        events_.push_back(rtmp_client_ready{});
        return;
    }
    if (code == "NetStream.Play.Stop" || code == "NetStream.Play.UnpublishNotify")
        return end(true, both);
    events_.push_back(rtmp_client_status{code, description});
}

// A server may send back what it was told: the key must not show up in logs and status.
std::string rtmp_client_fsm::shown(std::string_view text) const {
    std::string safe(text.substr(0, 4096));
    if (role_ == rtmp_role::publish) {
        const std::string_view key = target_.key.empty() ? target_.app : target_.key;
        hide(safe, key);
        hide(safe, key.substr(0, key.find('?')));
        hide(safe, percent_decoded(key));
        for (const auto* part : {&target_.key, &target_.app})
            if (const auto question = part->find('?'); question != std::string::npos)
                for (const auto& [name, value] : parse_query(part->substr(question + 1)))
                    hide(safe, value);
    }
    return peer_text(safe);
}

void rtmp_client_fsm::end(bool regular, std::string reason) {
    if (phase_ == phase::over)
        return;
    phase_ = phase::over;
    events_.push_back(rtmp_client_ended{regular, std::move(reason)});
}

void rtmp_client_fsm::send_connect() {
    phase_ = phase::connecting;
    send_words(rtmp_type::set_chunk_size, {rtmp_our_chunk_size});
    writer_.set_chunk_size(rtmp_our_chunk_size);
    send_words(rtmp_type::window_ack_size, {our_window});
    amf_object about{
        {"app", target_.app},
        {"type", "nonprivate"},
        {"flashVer", "FMLE/3.0 (compatible; rivulet)"},
        {"tcUrl", target_.tc_url}};
    if (role_ == rtmp_role::play)
        about.properties.push_back({"fpad", false});
    send_command(0, {"connect", t_connect, about});
}

void rtmp_client_fsm::send(const rtmp_message& m) {
    // A server that asks and never reads must not fill our memory.
    if (out_.size() > most_output)
        return end(false, "the server takes none of our replies");
    writer_.append(out_, m);
}

void rtmp_client_fsm::send_words(rtmp_type type, std::initializer_list<std::uint32_t> words) {
    std::vector<std::uint8_t> payload;
    for (auto word : words)
        for (int shift = 24; shift >= 0; shift -= 8)
            payload.push_back(static_cast<std::uint8_t>(word >> shift));
    rtmp_message m;
    m.type = type;
    m.chunk_stream = 2;
    m.payload = hold(std::move(payload));
    send(m);
}

void rtmp_client_fsm::send_command(std::uint32_t stream, std::initializer_list<amf_value> values) {
    rtmp_message m;
    m.chunk_stream = stream == 0 ? 3 : 8;
    m.stream = stream;
    m.payload = hold(to_amf0(values));
    send(m);
}

} // namespace rivulet::ingest
