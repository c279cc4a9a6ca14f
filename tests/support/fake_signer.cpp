#include "support/fake_signer.hpp"

#include "base/base64.hpp"
#include "base/ids.hpp"
#include "payment/ledger.hpp"
#include "payment/payment_message.hpp"
#include "payment/payments.hpp"
#include "payment/seg_data.hpp"
#include "session/keccak.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <livepeer.pb.h>

namespace rivulet::test {
namespace {

namespace json = boost::json;
using payment::amount;
using payment::integer;

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_int64() ? value->get_int64() : 0;
}

std::optional<std::string> bytes_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (!value || value->is_null())
        return std::string();
    if (!value->is_string())
        return std::nullopt;
    return from_base64(value->get_string());
}

fake_signer::answer refused(unsigned status, std::string text) {
    fake_signer::answer out;
    out.status = status;
    out.text = std::move(text);
    return out;
}

// Units of the time since the last payment, or of a first call.
std::optional<integer>
units_of(const std::string& type, bool first, std::int64_t ms, std::int64_t pixels) {
    if (type == "lv2v")
        return first ? integer(payment::live_start_units)
                     : integer(integer(payment::live_units_per_second) * ms / 1000);
    if (type == "live")
        return first ? integer(10) : integer((ms + 999) / 1000);
    if (type == "fixed")
        return integer(1);
    if (type.empty())
        return integer(pixels);
    return std::nullopt;
}

} // namespace

fake_signer::fake_signer()
    : key_(*payment::signing_key::of(*session::from_hex(random_hex(32)))),
      server_(shards_, {}, logger("signer")) {
    const auto handle = [this](const http::request& request) { return reply(request); };
    server_.route(http::verb::post, "/sign-orchestrator-info", handle);
    server_.route(http::verb::post, "/generate-live-payment", handle);
    server_.route(http::verb::get, "/discover-orchestrators", handle);
    port_ = server_.listen("127.0.0.1:0").value();
}

fake_signer::~fake_signer() {
    server_.stop(std::chrono::milliseconds(10));
    shards_.stop();
}

std::string fake_signer::url() const {
    return "http://127.0.0.1:" + std::to_string(port_);
}

void fake_signer::set_l1_block(std::int64_t block) {
    const std::lock_guard lock(mutex_);
    l1_block_ = block;
}

void fake_signer::set_price_ceiling(amount ceiling) {
    const std::lock_guard lock(mutex_);
    ceiling_ = ceiling;
}

void fake_signer::answer_next(unsigned status, std::string message) {
    const std::lock_guard lock(mutex_);
    scripted_.emplace_back(status, std::move(message));
}

void fake_signer::pass(std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    shift_ms_ += time.count();
}

std::vector<asked_of_signer> fake_signer::asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
}

fake_signer::answer fake_signer::generate(const json::object& question, std::int64_t now_ms) {
    const auto raw = bytes_of(question, "orchestrator");
    net::OrchestratorInfo info;
    if (!raw || raw->empty() || !info.ParseFromString(*raw))
        return refused(400, "invalid orchestrator");
    const auto& price = info.price_info();
    if (!info.has_price_info() || price.priceperunit() <= 0 || price.pixelsperunit() <= 0)
        return refused(400, "missing or zero priceInfo");
    if (!info.has_ticket_params())
        return refused(400, "missing ticketParams");
    if (!info.has_auth_token())
        return refused(400, "missing auth token");
    const auto manifest = text_of(question, "ManifestID");
    const auto type = text_of(question, "type");

    // The state, if it is ours.
    json::object state;
    bool first = true;
    if (const auto* given = question.if_contains("state"); given && given->is_object()) {
        const auto text = bytes_of(given->get_object(), "State");
        const auto signature = bytes_of(given->get_object(), "Sig");
        if (!text || !signature)
            return refused(400, "invalid state");
        if (!text->empty()) {
            if (payment::signer_of(*text, *signature) != key_.address())
                return refused(400, "invalid sig");
            state = json::parse(*text).get_object();
            first = false;
        }
    }
    const amount now_price(price.priceperunit(), price.pixelsperunit());
    if (first) {
        state["StateID"] = random_hex(8);
        state["OrchestratorAddress"] = session::to_hex(info.address());
        state["App"] = text_of(question, "app");
        state["Type"] = type;
        state["SequenceNumber"] = 0;
        state["InitialPricePerUnit"] = price.priceperunit();
        state["InitialPixelsPerUnit"] = price.pixelsperunit();
        state["Balance"] = "0";
        state["SenderNonce"] = 0;
        state["LastUpdate"] = now_ms;
    } else {
        if (manifest.empty())
            return refused(400, "missing manifestID");
        if (text_of(state, "OrchestratorAddress") != session::to_hex(info.address()))
            return refused(400, "orchestratorAddress mismatch");
        if (text_of(state, "App") != text_of(question, "app"))
            return refused(400, "app mismatch");
        if (text_of(state, "Type") != type)
            return refused(400, "job type mismatch");
    }
    state["SequenceNumber"] = number_of(state, "SequenceNumber") + 1;

    session::ticket_params params;
    const auto& from = info.ticket_params();
    params.recipient = from.recipient();
    params.face_value = from.face_value();
    params.win_prob = from.win_prob();
    params.recipient_rand_hash = from.recipient_rand_hash();
    params.seed = from.seed();
    params.expiration_block = from.expiration_block();
    const auto pm_session = payment::ticket_session_id(params);
    auto nonce = static_cast<std::uint32_t>(
        text_of(state, "PMSessionID") == pm_session ? number_of(state, "SenderNonce") : 0
    );

    if (info.auth_token().expiration() - now_ms / 1000 < 180)
        return refused(480, "auth token is about to expire");
    payment::sender_funds funds;
    funds.deposit = funds.reserve = payment::max_uint256();
    const auto problem = payment::check_tickets(params, 1, l1_block_, funds, {});
    if (problem == payment::ticket_problem::expired)
        return refused(480, "TicketParams expired");
    if (problem != payment::ticket_problem::none)
        return refused(400, std::string(payment::to_string(problem)));

    const auto units = units_of(
        type, first, now_ms - number_of(state, "LastUpdate"), number_of(question, "inPixels")
    );
    if (!units || *units <= 0)
        return refused(400, "invalid job type or nothing to pay for");
    const amount initial(
        number_of(state, "InitialPricePerUnit"), number_of(state, "InitialPixelsPerUnit")
    );
    if ((ceiling_ > 0 && now_price > ceiling_) || (!first && now_price > initial))
        return refused(481, "orchestrator price is over the limit");

    const auto ev = payment::expected_value(params);
    amount balance(text_of(state, "Balance"));
    const amount fee = initial * *units;
    payment::ledger book;
    const payment::ledger::key account{"o", "s"};
    const auto at = time_point() + std::chrono::hours(1);
    book.finish(book.stage(account, 0, 0, at), payment::ledger::end::settled, -balance, at);
    const auto staged = book.stage(account, fee, ev, at);
    if (staged.tickets == 0)
        return refused(482, "no tickets");
    if (staged.tickets > 100)
        return refused(
            400, "numTickets " + std::to_string(staged.tickets) + " exceeds maximum of 100"
        );
    book.finish(staged, payment::ledger::end::settled, fee, at);

    payment::payment_message message;
    message.sender = key_.address();
    message.params = params;
    message.expected_price.per_unit = price.priceperunit();
    message.expected_price.pixels_per_unit = price.pixelsperunit();
    message.created.round = from.expiration_params().creation_round();
    message.created.block_hash = from.expiration_params().creation_round_block_hash();
    for (std::uint64_t i = 0; i < staged.tickets; ++i) {
        payment::ticket one;
        one.recipient = params.recipient;
        one.sender = key_.address();
        one.face_value = payment::from_big_endian(params.face_value);
        one.win_prob = payment::from_big_endian(params.win_prob);
        one.nonce = ++nonce;
        one.recipient_rand_hash = params.recipient_rand_hash;
        one.created = message.created;
        message.tickets.push_back({one.nonce, key_.sign(payment::ticket_hash(one))});
    }
    payment::segment_credentials credentials;
    credentials.manifest = manifest.empty() ? random_hex(4) : manifest;
    session::auth_token token;
    token.token = info.auth_token().token();
    token.session_id = info.auth_token().session_id();
    token.expiration = info.auth_token().expiration();
    credentials.token = token;
    credentials.signature =
        key_.sign(payment::keccak(payment::segment_preimage(credentials.manifest)));

    answer out;
    out.tickets = staged.tickets;
    out.balance = book.balance(account);
    state["Balance"] = payment::to_string(out.balance);
    state["PMSessionID"] = pm_session;
    state["SenderNonce"] = nonce;
    state["LastUpdate"] = now_ms;
    const auto text = json::serialize(state);
    out.body["payment"] = payment::payment_header(message);
    out.body["segCreds"] = payment::segment_header(credentials);
    out.body["state"] = {{"State", to_base64(text)}, {"Sig", to_base64(key_.sign(text))}};
    return out;
}

awaitable<http::response> fake_signer::reply(const http::request& request) {
    asked_of_signer note;
    note.path = request.path;
    for (const auto& field : request.header)
        note.headers[boost::algorithm::to_lower_copy(std::string(field.name_string()))] =
            std::string(field.value());
    error_code ec;
    if (auto body = json::parse(request.body, ec); !ec && body.is_object())
        note.body = body.get_object();
    const std::lock_guard lock(mutex_);
    answer made;
    if (request.path == "/sign-orchestrator-info") {
        const auto message = payment::info_request_message(key_.address());
        made.body["address"] = session::checksum_address(key_.address());
        made.body["signature"] = session::to_hex(key_.sign(message)); // without 0x, as may be
    } else if (request.path == "/generate-live-payment") {
        const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::system_clock::now().time_since_epoch()
        )
                                .count();
        if (!scripted_.empty()) {
            made = refused(scripted_.front().first, scripted_.front().second);
            scripted_.pop_front();
        } else {
            made = generate(note.body, now_ms + shift_ms_);
        }
    }
    note.status = made.status;
    note.text = made.text;
    asked_.push_back(note);
    if (made.status != 200)
        co_return http::error_response(static_cast<http::status>(made.status), made.text);
    if (request.path == "/discover-orchestrators")
        co_return http::json_response(json::array());
    co_return http::json_response(made.body);
}

} // namespace rivulet::test
