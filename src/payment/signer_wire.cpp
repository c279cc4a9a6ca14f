#include "payment/signer_wire.hpp"

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "payment/signature.hpp"
#include "session/keccak.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

namespace rivulet::payment {
namespace {

namespace json = boost::json;

constexpr std::size_t most_state_bytes = 64 * 1024;
constexpr std::size_t most_header_bytes = 64 * 1024;
constexpr std::size_t most_text_bytes = 300;

std::optional<json::object> parse_object(std::string_view body) {
    if (body.size() > signer_reply_bytes)
        return std::nullopt;
    error_code ec;
    json::parse_options options;
    options.max_depth = 16;
    auto value = json::parse(body, ec, {}, options);
    if (ec || !value.is_object())
        return std::nullopt;
    return std::move(value.get_object());
}

std::string_view text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string_view(*text) : std::string_view();
}

// {"error":{"message":…}} or whatever it is, in one short line.
std::string words_of(unsigned status, std::string_view body) {
    std::string said(body);
    if (const auto object = parse_object(body))
        if (const auto* error = object->if_contains("error"); error && error->is_object())
            said = text_of(error->get_object(), "message");
    auto line = valid_utf8(said, most_text_bytes);
    for (char& c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = ' ';
    while (line.ends_with(' '))
        line.pop_back();
    return line.empty() ? fmt::format("the remote signer answered {}", status)
                        : fmt::format("the remote signer answered {}: {}", status, line);
}

signer_reply failed(std::string text) {
    signer_reply out;
    out.text = std::move(text);
    return out;
}

} // namespace

std::string to_json(const payment_question& question) {
    json::object body;
    body["orchestrator"] = to_base64(question.orchestrator);
    body["ManifestID"] = question.manifest;
    if (question.state)
        body["state"] = *question.state;
    if (!question.type.empty())
        body["type"] = question.type;
    else
        body["inPixels"] = question.units;
    if (!question.capabilities.empty())
        body["capabilities"] = to_base64(question.capabilities);
    return json::serialize(body);
}

signer_reply parse_payment_reply(unsigned status, std::string_view body) {
    if (status != 200) {
        auto out = failed(words_of(status, body));
        if (status == 480)
            out.what = signer_reply::kind::refresh;
        else if (status == 481)
            out.what = signer_reply::kind::over_price;
        else if (status == 482)
            out.what = signer_reply::kind::no_tickets;
        return out;
    }
    auto object = parse_object(body);
    if (!object)
        return failed("the remote signer's answer is not a JSON object, or too large");
    signer_reply out;
    out.headers.payment = text_of(*object, "payment");
    out.headers.segment = text_of(*object, "segCreds");
    for (const auto& header : {out.headers.payment, out.headers.segment})
        if (header.empty() || header.size() > most_header_bytes || !from_base64(header))
            return failed("the remote signer's payment or segCreds is no base64 of a usable size");
    const auto* state = object->if_contains("state");
    if (!state || !state->is_object() || json::serialize(*state).size() > most_state_bytes)
        return failed("the remote signer's answer has no state of a usable size");
    out.state = state->get_object();
    out.what = signer_reply::kind::paid;
    return out;
}

outcome<session::caller_identity> parse_identity(unsigned status, std::string_view body) {
    if (status != 200)
        return failure(errc::http_status, words_of(status, body));
    const auto object = parse_object(body);
    if (!object)
        return failure(errc::protocol_violation, "the remote signer's answer is not a JSON object");
    const auto address = session::parse_address(text_of(*object, "address"));
    if (!address)
        return failure(errc::protocol_violation, "the remote signer's address is none");
    const auto signature = session::from_hex(text_of(*object, "signature"));
    if (!signature || signature->size() != 65)
        return failure(errc::protocol_violation, "the remote signer's signature is none");
    // A signature that nobody accepts would make every orchestrator refuse us, one by one.
    if (signer_of(info_request_message(*address), *signature) != *address)
        return failure(
            errc::protocol_violation, "the remote signer's signature is not that of its address"
        );
    session::caller_identity out;
    out.address = *address;
    out.signature = *signature;
    return out;
}

} // namespace rivulet::payment
