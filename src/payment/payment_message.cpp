#include "payment/payment_message.hpp"

#include "base/base64.hpp"

#include <livepeer.pb.h>

namespace rivulet::payment {
namespace {

constexpr std::size_t most_bytes = 1024 * 1024;

} // namespace

std::string to_protobuf(const payment_message& payment) {
    net::Payment message;
    message.set_sender(payment.sender);
    auto& price = *message.mutable_expected_price();
    price.set_priceperunit(payment.expected_price.per_unit);
    price.set_pixelsperunit(payment.expected_price.pixels_per_unit);
    price.set_capability(payment.expected_price.capability);
    price.set_constraint(payment.expected_price.constraint);
    if (payment.params && !payment.tickets.empty()) {
        const auto& from = *payment.params;
        auto& params = *message.mutable_ticket_params();
        params.set_recipient(from.recipient);
        params.set_face_value(from.face_value);
        params.set_win_prob(from.win_prob);
        params.set_recipient_rand_hash(from.recipient_rand_hash);
        params.set_seed(from.seed);
        params.set_expiration_block(from.expiration_block);
        auto& created = *message.mutable_expiration_params();
        created.set_creation_round(payment.created.round);
        created.set_creation_round_block_hash(payment.created.block_hash);
    }
    for (const auto& one : payment.tickets) {
        auto& row = *message.add_ticket_sender_params();
        row.set_sender_nonce(one.nonce);
        row.set_sig(one.signature);
    }
    return message.SerializeAsString();
}

std::string payment_header(const payment_message& payment) {
    return to_base64(to_protobuf(payment));
}

std::optional<payment_worth> worth_of(std::string_view payment_header) {
    if (payment_header.size() > most_bytes)
        return std::nullopt;
    const auto raw = from_base64(payment_header);
    net::Payment message;
    if (!raw || !message.ParseFromString(*raw))
        return std::nullopt;
    payment_worth out;
    out.recipient = message.ticket_params().recipient();
    out.tickets = static_cast<std::uint64_t>(message.ticket_sender_params_size());
    out.face_value = from_big_endian(message.ticket_params().face_value());
    out.win_prob = from_big_endian(message.ticket_params().win_prob());
    out.value = expected_value(out.face_value, out.win_prob) * out.tickets;
    return out;
}

outcome<session::info_ptr>
parse_payment_result(std::string_view body, const session::orchestrator_info& known) {
    net::PaymentResult result;
    if (body.size() > most_bytes ||
        !result.ParseFromArray(body.data(), static_cast<int>(body.size())))
        return failure(errc::protocol_violation, "the answer to the payment is no PaymentResult");
    if (!result.has_info())
        return failure(errc::protocol_violation, "the answer to the payment has no info");
    auto& info = *result.mutable_info();
    info.set_transcoder(known.transcoder);
    if (known.token) {
        auto& token = *info.mutable_auth_token();
        token.set_token(known.token->token);
        token.set_session_id(known.token->session_id);
        token.set_expiration(known.token->expiration);
    }
    return session::parse_orchestrator_info(info.SerializeAsString());
}

} // namespace rivulet::payment
