// STUN messages, and the ICE side that answers them. What is understood is understood the same when
// written again; nobody without the password is accepted; answers are never longer than twice the
// question and some.
#include "webrtc/ice_lite.hpp"

#include <cstdlib>

using namespace rivulet;
using namespace rivulet::webrtc;

namespace {

void answer(std::span<const std::uint8_t> datagram, const stun_message& message) {
    const auto fragment = message.username.substr(0, message.username.find(':'));
    ice_lite ice({std::string(fragment), "a password that no input knows"});
    path from;
    from.remote = {asio::ip::make_address("192.0.2.1"), 4000, false};
    const auto reply = ice.receive(datagram, message, from, time_point{});
    if (reply.accepted || ice.selected())
        std::abort();
    if (reply.datagram.size() > 100 || (!reply.datagram.empty() && !parse_stun(reply.datagram)))
        std::abort();
}

// The same question, signed: what the ICE side does with those of its peer.
void answer_signed(const stun_message& message) {
    stun_writer writer(stun_class::request, message.transaction);
    writer.username("ours:" + std::string(message.username.substr(0, 64)));
    if (message.priority)
        writer.priority(*message.priority);
    if (message.controlling)
        writer.controlling(*message.controlling);
    if (message.controlled)
        writer.controlled(*message.controlled);
    if (message.use_candidate)
        writer.use_candidate();
    const auto wire = writer.finish("a password");
    const auto again = parse_stun(wire);
    if (!again || !has_integrity(wire, *again, "a password") ||
        again->priority != message.priority || again->controlling != message.controlling ||
        again->controlled != message.controlled || again->use_candidate != message.use_candidate ||
        again->transaction != message.transaction)
        std::abort();
    ice_lite ice({"ours", "a password"});
    path from;
    from.remote = {asio::ip::make_address("2001:db8::1"), 4000, false};
    const auto reply = ice.receive(wire, *again, from, time_point{});
    if (reply.accepted == message.controlled.has_value() || !parse_stun(reply.datagram))
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span datagram(data, size);
    const auto message = parse_stun(datagram);
    if (!message)
        return 0;
    has_integrity(datagram, *message, "a password");
    answer(datagram, *message);
    answer_signed(*message);
    return 0;
}
