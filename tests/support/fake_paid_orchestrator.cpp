#include "support/fake_paid_orchestrator.hpp"

#include "base/base64.hpp"
#include "base/ids.hpp"
#include "payment/seg_data.hpp"
#include "session/keccak.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <livepeer.pb.h>

namespace rivulet::test {
namespace {

using payment::amount;
using payment::integer;

std::string hmac(const std::string& secret, const std::string& data) {
    unsigned char out[32];
    unsigned size = sizeof out;
    HMAC(
        EVP_sha256(),
        secret.data(),
        static_cast<int>(secret.size()),
        reinterpret_cast<const unsigned char*>(data.data()),
        data.size(),
        out,
        &size
    );
    return std::string(reinterpret_cast<const char*>(out), size);
}

std::int64_t unix_now() {
    return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

payment::signing_key fresh_key() {
    return *payment::signing_key::of(*session::from_hex(random_hex(32)));
}

const std::string round_hash(32, '\x77');
constexpr std::int64_t round_number = 5;

} // namespace

fake_paid_orchestrator::fake_paid_orchestrator(options with)
    : with_(std::move(with)), key_(fresh_key()), secret_(random_hex(32)),
      server_(shards_, {}, logger("orchestrator")) {
    const auto handle = [this](const http::request& request) { return take(request); };
    for (const char* path : {"/payment", "/live-video-to-video", "/text-to-image"})
        server_.route(http::verb::post, path, handle);
    port_ = server_.listen("127.0.0.1:0").value();
}

fake_paid_orchestrator::~fake_paid_orchestrator() {
    server_.stop(std::chrono::milliseconds(10));
    shards_.stop();
}

std::string fake_paid_orchestrator::url() const {
    return "http://127.0.0.1:" + std::to_string(port_);
}

std::string
fake_paid_orchestrator::token_of(const std::string& session_id, std::int64_t expiration) const {
    std::string data = session_id;
    for (int shift = 56; shift >= 0; shift -= 8)
        data += static_cast<char>(expiration >> shift & 255);
    return hmac(secret_, data);
}

std::string fake_paid_orchestrator::recipient_rand(
    const std::string& seed,
    const std::string& sender,
    const std::string& expiration_block,
    std::int64_t per_unit,
    std::int64_t pixels
) const {
    return hmac(
        secret_,
        seed + sender + payment::big_endian(with_.face_value) +
            payment::big_endian(with_.win_prob) + expiration_block + payment::big_endian(per_unit) +
            payment::big_endian(pixels) + payment::big_endian_32(round_number) + round_hash
    );
}

std::string fake_paid_orchestrator::info_message(const std::string& sender) {
    const std::lock_guard lock(mutex_);
    net::OrchestratorInfo info;
    info.set_transcoder(url());
    const auto session_id = random_hex(4);
    const auto expiration = unix_now() + with_.token_life.count();
    auto& token = *info.mutable_auth_token();
    token.set_token(token_of(session_id, expiration));
    token.set_session_id(session_id);
    token.set_expiration(expiration);
    info.set_address(with_.on_chain ? key_.address() : std::string(20, '\0'));
    if (!with_.on_chain)
        return info.SerializeAsString();
    auto& price = *info.mutable_price_info();
    price.set_priceperunit(with_.price_per_unit);
    price.set_pixelsperunit(with_.pixels_per_unit);
    auto& params = *info.mutable_ticket_params();
    params.set_recipient(key_.address());
    params.set_face_value(payment::big_endian(with_.face_value));
    params.set_win_prob(payment::big_endian(with_.win_prob));
    params.set_seed(*session::from_hex(random_hex(32)));
    params.set_expiration_block(payment::big_endian(with_.l1_block + with_.blocks_valid));
    params.set_recipient_rand_hash(payment::keccak(recipient_rand(
        params.seed(),
        sender,
        params.expiration_block(),
        with_.price_per_unit,
        with_.pixels_per_unit
    )));
    params.mutable_expiration_params()->set_creation_round(round_number);
    params.mutable_expiration_params()->set_creation_round_block_hash(round_hash);
    return info.SerializeAsString();
}

session::info_ptr fake_paid_orchestrator::info(const std::string& sender) {
    return session::parse_orchestrator_info(info_message(sender)).value();
}

void fake_paid_orchestrator::set_price(std::int64_t per_unit) {
    const std::lock_guard lock(mutex_);
    with_.price_per_unit = per_unit;
}

void fake_paid_orchestrator::set_l1_block(std::int64_t block) {
    const std::lock_guard lock(mutex_);
    with_.l1_block = block;
}

void fake_paid_orchestrator::answer_next(unsigned status, std::string text, bool after_taking) {
    const std::lock_guard lock(mutex_);
    scripted_.push_back({status, std::move(text), after_taking});
}

amount fake_paid_orchestrator::balance(const std::string& sender, const std::string& id) {
    const std::lock_guard lock(mutex_);
    return balances_[{sender, id}];
}

std::vector<seen_payment> fake_paid_orchestrator::seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
}

fake_paid_orchestrator::verdict fake_paid_orchestrator::check(
    const http::request& request, seen_payment& note, const std::string& own_id
) {
    net::Payment payment;
    const auto raw_payment = from_base64(request["Livepeer-Payment"]);
    if (!raw_payment || !payment.ParseFromString(*raw_payment))
        return {402, "Error parsing payment"};
    net::SegData segment;
    const auto raw_segment = from_base64(request["Livepeer-Segment"]);
    if (!raw_segment || !segment.ParseFromString(*raw_segment))
        return {403, "ErrorSegEncoding"};
    note.manifest = segment.manifestid();
    note.sender = payment.sender();
    note.session_id = segment.auth_token().session_id();
    note.price.per_unit = payment.expected_price().priceperunit();
    note.price.pixels_per_unit = payment.expected_price().pixelsperunit();
    if (with_.on_chain) {
        const auto message = payment::keccak(payment::segment_preimage(segment.manifestid()));
        if (payment::signer_of(message, segment.sig()) != payment.sender())
            return {403, "ErrSegSig"};
        if (segment.hash() != payment::keccak("") || segment.profiles() != "invalid")
            return {403, "ErrorSegEncoding"};
    }
    if (!segment.has_auth_token())
        return {403, "missing auth token"};
    const auto& token = segment.auth_token();
    if (token.token() != token_of(token.session_id(), token.expiration()))
        return {403, "invalid auth token"};
    if (token.expiration() < unix_now())
        return {403, "expired auth token"};
    if (!with_.on_chain)
        return {};
    const auto id = request.path == "/payment" ? segment.manifestid() : own_id;
    const auto ev = payment::expected_value(with_.face_value, with_.win_prob);
    auto& balance = balances_[{payment.sender(), id}];
    const auto& params = payment.ticket_params();
    if (payment.ticket_sender_params_size() > 0) {
        if (payment::from_big_endian(params.expiration_block()) <= with_.l1_block)
            return {400, "TicketParams expired"};
        if (params.recipient() != key_.address())
            return {400, "invalid ticket recipient"};
        const auto rand = recipient_rand(
            params.seed(),
            payment.sender(),
            params.expiration_block(),
            note.price.per_unit,
            note.price.pixels_per_unit
        );
        if (payment::keccak(rand) != params.recipient_rand_hash())
            return {400, "invalid recipientRand for ticket recipientRandHash"};
        for (const auto& row : payment.ticket_sender_params()) {
            note.nonces.push_back(row.sender_nonce());
            auto& used = nonces_[rand];
            if (!used.insert(row.sender_nonce()).second)
                return {400, "invalid ticket senderNonce: already seen"};
            if (used.size() > 600)
                return {400, "invalid ticket senderNonce: too many values"};
            payment::ticket ticket;
            ticket.recipient = params.recipient();
            ticket.sender = payment.sender();
            ticket.face_value = payment::from_big_endian(params.face_value());
            ticket.win_prob = payment::from_big_endian(params.win_prob());
            ticket.nonce = row.sender_nonce();
            ticket.recipient_rand_hash = params.recipient_rand_hash();
            ticket.created.round = payment.expiration_params().creation_round();
            ticket.created.block_hash = payment.expiration_params().creation_round_block_hash();
            if (payment::signer_of(payment::ticket_hash(ticket), row.sig()) != payment.sender())
                return {400, "invalid ticket signature"};
            balance += ev;
        }
    }
    if (with_.price_per_unit > 0 && balance < ev)
        return {400, "Insufficient balance"};
    return {};
}

awaitable<http::response> fake_paid_orchestrator::take(const http::request& request) {
    http::response out;
    seen_payment note;
    note.path = request.path;
    for (const auto& field : request.header)
        note.headers[boost::algorithm::to_lower_copy(std::string(field.name_string()))] =
            std::string(field.value());
    std::unique_lock lock(mutex_);
    std::optional<scripted> instead;
    if (!scripted_.empty()) {
        instead = scripted_.front();
        scripted_.pop_front();
    }
    const auto own_id = request.path == "/text-to-image" ? "27_model" : random_hex(4);
    verdict how;
    if (!instead || instead->after_taking)
        how = check(request, note, own_id);
    const bool taken = how.status == 200;
    if (instead && taken)
        how = {instead->status, instead->text};
    if (how.status == 200 && request.path == "/text-to-image" && with_.debit_batch &&
        with_.on_chain)
        balances_[{note.sender, own_id}] -=
            amount(with_.price_per_unit, with_.pixels_per_unit) * with_.batch_units;
    note.status = how.status;
    note.text = how.text;
    seen_.push_back(note);
    lock.unlock();
    out.status = static_cast<http::status>(how.status);
    if (how.status != 200) {
        out.body = how.text + "\n";
        co_return out;
    }
    if (request.path == "/payment") {
        net::PaymentResult result;
        result.mutable_info()->ParseFromString(info_message(note.sender));
        // As in the network: the answer names no new session.
        result.mutable_info()->mutable_auth_token()->set_session_id(note.session_id);
        out.body = result.SerializeAsString();
    } else {
        out.body = "{\"manifest_id\":\"" + own_id + "\"}";
        out.content_type = "application/json";
    }
    co_return out;
}

} // namespace rivulet::test
