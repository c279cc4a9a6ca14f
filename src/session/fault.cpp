#include "session/fault.hpp"

#include "base/utf8.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/error.hpp>

#include <cctype>
#include <charconv>

namespace rivulet::session {
namespace {

constexpr std::size_t text_bytes = 300;
constexpr int tries_with_expired_tickets = 3;

// The peer's own words, fit for one line of a log and for a JSON string.
std::string one_line(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
        text.remove_suffix(1);
    auto out = valid_utf8(text, text_bytes);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = ' ';
    return out;
}

bool says(std::string_view text, std::string_view what) {
    return boost::algorithm::icontains(text, what);
}

// What the network's own texts mean, where the status says too little. `kind` when none is there.
fault_kind kind_of_text(std::string_view text, fault_kind kind) {
    // A token is as good as the process that gave it: one that was started anew gives another.
    if (says(text, "ticketparams expired") || says(text, "expired auth token") ||
        says(text, "invalid auth token"))
        return fault_kind::tickets_expired;
    if (says(text, "invalid ticket sendernonce"))
        return fault_kind::ticket_nonce;
    if (says(text, "insufficient capacity") || says(text, "orchestratorcapped"))
        return fault_kind::capacity;
    for (const auto* word :
         {"insufficient balance",
          "invalid ticket",
          "is inactive in round",
          "insufficient sender reserve",
          "no tickets",
          "auth token",
          "errsegsig",
          "errorsegencoding",
          "max price"})
        if (says(text, word))
            return fault_kind::payment;
    for (const auto* word :
         {"returned 400",
          "returned 413",
          "returned 415",
          "returned 422",
          "audio duration calculation failed",
          "unable to calculate duration"})
        if (says(text, word))
            return fault_kind::bad_request;
    return kind;
}

fault_kind kind_of(unsigned status, std::string_view body) {
    switch (status) {
    case 402:
    case 481: // the signer: over its price limit
    case 482: // the signer: no tickets
        return fault_kind::payment;
    case 401:
    case 403:
        return kind_of_text(body, fault_kind::payment);
    case 408:
    case 504:
        return kind_of_text(body, fault_kind::timed_out);
    case 413:
    case 415:
    case 422:
        return fault_kind::bad_request;
    case 429:
    case 503:
        return fault_kind::capacity;
    case 480: // the signer: renew what the orchestrator said
        return fault_kind::tickets_expired;
    default:
        break;
    }
    if (status == 400)
        return kind_of_text(body, fault_kind::bad_request);
    if (status >= 500)
        return kind_of_text(body, fault_kind::internal);
    return fault_kind::protocol; // 404, a redirect: it isn't what it says it is
}

// "answered 503: insufficient capacity" → 503 and the words; 0 without a number.
unsigned status_in(std::string_view detail, std::string_view& words) {
    constexpr std::string_view mark = "answered ";
    const auto at = detail.find(mark);
    if (at == detail.npos)
        return 0;
    unsigned status = 0;
    const auto* begin = detail.data() + at + mark.size();
    const auto* end = detail.data() + detail.size();
    const auto [rest, bad] = std::from_chars(begin, end, status);
    if (bad != std::errc() || status < 100 || status > 599)
        return 0;
    words = std::string_view(rest, static_cast<std::size_t>(end - rest));
    while (!words.empty() && (words.front() == ':' || words.front() == ' '))
        words.remove_prefix(1);
    return status;
}

fault_kind kind_of(const failure& why) {
    const auto& code = why.code;
    if (code == errc::timed_out || code == asio::error::timed_out)
        return fault_kind::timed_out;
    if (code == errc::cancelled || code == asio::error::operation_aborted)
        return fault_kind::client_gone;
    if (code == errc::protocol_violation || code == errc::too_large || code == errc::unsupported)
        return fault_kind::protocol;
    if (code == errc::no_capacity)
        return fault_kind::capacity;
    if (code == errc::payment_refused)
        return kind_of_text(why.detail, fault_kind::payment);
    if (code == errc::unauthorized)
        return fault_kind::payment;
    if (code == errc::invalid_argument || code == errc::media_error)
        return fault_kind::bad_request;
    if (code == errc::sequence_not_found || code == errc::not_found)
        return fault_kind::lost;
    if (code == errc::http_status)
        return kind_of_text(why.detail, fault_kind::internal);
    return fault_kind::unreachable; // connect_failed, tls_failed, reset, refused, end of file
}

} // namespace

fault to_fault(const failure& why) {
    if (why.code == errc::http_status) {
        std::string_view words;
        if (const auto status = status_in(why.detail, words))
            return {kind_of(status, words), one_line(why.detail), status};
    }
    return {kind_of(why), one_line(why.detail.empty() ? why.code.message() : why.detail)};
}

fault to_payment_fault(const failure& why) {
    auto out = to_fault(why);
    if (remedy_for(out.kind, 1) == remedy::suspend || out.kind == fault_kind::bad_request ||
        out.kind == fault_kind::lost)
        out.kind = fault_kind::payment;
    return out;
}

fault to_fault(unsigned status, std::string_view body) {
    auto text = one_line(body);
    if (text.empty())
        text = "answered " + std::to_string(status);
    return {kind_of(status, body.substr(0, 4096)), std::move(text), status};
}

remedy remedy_for(fault_kind kind, int tries_here) {
    switch (kind) {
    case fault_kind::tickets_expired:
        return tries_here < tries_with_expired_tickets ? remedy::same_again : remedy::set_aside;
    case fault_kind::capacity:
    case fault_kind::ticket_nonce:
    case fault_kind::payment:
    case fault_kind::declined:
        return remedy::set_aside;
    case fault_kind::bad_request:
    case fault_kind::client_gone:
        return remedy::give_up;
    case fault_kind::lost:
        return remedy::try_another;
    case fault_kind::unreachable:
    case fault_kind::timed_out:
    case fault_kind::internal:
    case fault_kind::protocol:
    case fault_kind::slow:
    case fault_kind::stalled:
        break;
    }
    return remedy::suspend;
}

std::string_view to_string(fault_kind kind) {
    switch (kind) {
    case fault_kind::capacity:
        return "capacity";
    case fault_kind::tickets_expired:
        return "tickets_expired";
    case fault_kind::ticket_nonce:
        return "ticket_nonce";
    case fault_kind::payment:
        return "payment";
    case fault_kind::bad_request:
        return "bad_request";
    case fault_kind::declined:
        return "declined";
    case fault_kind::client_gone:
        return "client_gone";
    case fault_kind::unreachable:
        return "unreachable";
    case fault_kind::timed_out:
        return "timed_out";
    case fault_kind::internal:
        return "internal";
    case fault_kind::protocol:
        return "protocol";
    case fault_kind::slow:
        return "slow";
    case fault_kind::stalled:
        return "stalled";
    case fault_kind::lost:
        return "lost";
    }
    return "internal";
}

} // namespace rivulet::session
