#include "batch/outcome_text.hpp"

#include "base/utf8.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <charconv>

namespace rivulet::batch {

namespace json = boost::json;
using session::fault;
using session::fault_kind;

namespace {

constexpr std::size_t text_bytes = 1000; // of an orchestrator's words for a client
constexpr std::size_t read_bytes = 8192; // of its text at all

struct said {
    unsigned status = 0;
    std::string_view text;
};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = text.find_first_not_of(space);
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

// `text` behind "NNN"; nothing when no number stands there.
std::optional<said> numbered(std::string_view text) {
    said out;
    if (text.size() < 3)
        return std::nullopt;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + 3, out.status);
    if (bad != std::errc() || end != text.data() + 3 || out.status < 100)
        return std::nullopt;
    out.text = text.substr(3);
    return out;
}

// Gateways of the network wrap what an llm orchestrator says: "unexpected status code: N, body: …".
void unwrap(said& what) {
    constexpr std::string_view mark = "unexpected status code: ";
    constexpr std::string_view then = ", body: ";
    const auto at = what.text.find(mark);
    if (at == what.text.npos)
        return;
    const auto inner = numbered(what.text.substr(at + mark.size()));
    if (!inner || !inner->text.starts_with(then))
        return;
    what.status = inner->status;
    what.text = trimmed(inner->text.substr(then.size()));
}

// "… container returned 400: bad prompt" → 400, "bad prompt".
std::optional<said> of_runner(std::string_view text) {
    constexpr std::string_view mark = "returned ";
    for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
        auto found = numbered(text.substr(at + mark.size()));
        if (!found ||
            (!found->text.empty() && found->text.front() >= '0' && found->text.front() <= '9'))
            continue;
        while (!found->text.empty() && (found->text.front() == ':' || found->text.front() == ' '))
            found->text.remove_prefix(1);
        found->text = trimmed(found->text);
        return found;
    }
    return std::nullopt;
}

std::string for_people(std::string_view text) {
    auto out = valid_utf8(text, text_bytes);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = ' ';
    return out;
}

// A runner's words may be JSON: {"detail":{"msg":…}}, {"detail":[{"loc":[…],"msg":…,"type":…}]}.
api_error worded(http::status status, std::string_view text) {
    api_error out(status, for_people(text));
    error_code broken;
    auto parsed =
        text.starts_with('{') || text.starts_with('[') ? json::parse(text, broken) : json::value();
    const json::value* at = &parsed;
    if (const auto* object = at->if_object())
        for (const std::string_view key : {"detail", "error"})
            if (const auto* inner = object->if_contains(key)) {
                at = inner;
                break;
            }
    if (const auto* list = at->if_array(); list && !list->empty())
        at = &list->front();
    if (const auto* plain = at->if_string())
        out.message = for_people(*plain);
    if (const auto* object = at->if_object()) {
        for (const std::string_view key : {"msg", "message"})
            if (const auto* words = object->if_contains(key); words && words->is_string())
                out.message = for_people(words->get_string());
        if (const auto* type = object->if_contains("type"); type && type->is_string())
            out.type = for_people(type->get_string());
        const auto* where = object->if_contains("loc");
        if (where && where->is_array() && !where->get_array().empty() &&
            where->get_array().back().is_string())
            out.field = for_people(where->get_array().back().get_string());
    }
    if (out.message.empty())
        out.message = "the request was refused as bad, without a reason";
    return out;
}

// The client's own mistake, as a runner found it. Everything else of its statuses is the
// orchestrator's affair: also 401, which is between the two of them.
bool of_client(unsigned status) {
    return status == 400 || status == 413 || status == 415 || status == 422;
}

// What an orchestrator itself says of a file that it can't read; others won't, either.
bool unreadable_file(std::string_view text) {
    for (const auto* words :
         {"unable to calculate duration",
          "audio duration calculation failed",
          "image: unknown format"})
        if (boost::algorithm::icontains(text, words))
            return true;
    return false;
}

bool about_payment(std::string_view text) {
    for (const auto* word : {"payment", "ticket", "balance", "segment", "credit"})
        if (boost::algorithm::icontains(text, word))
            return true;
    return false;
}

} // namespace

verdict judge(unsigned status, std::string_view body) {
    verdict out;
    said what;
    what.status = status;
    what.text = trimmed(body.substr(0, read_bytes));
    unwrap(what);
    if (const auto runner = of_runner(what.text)) {
        if (of_client(runner->status)) {
            out.client = worded(static_cast<http::status>(runner->status), runner->text);
            out.why = fault(fault_kind::bad_request, out.client->message, runner->status);
            return out;
        }
        out.why = session::to_fault(what.status, what.text);
        // Full and late are what they are; the rest is a runner that failed.
        if (out.why.kind != fault_kind::capacity && out.why.kind != fault_kind::timed_out)
            out.why.kind = fault_kind::internal;
        return out;
    }
    if (unreadable_file(what.text)) {
        out.client = worded(http::status::bad_request, what.text);
        out.why = fault(fault_kind::bad_request, out.client->message, what.status);
        return out;
    }
    out.why = session::to_fault(what.status, what.text);
    switch (what.status) {
    case 400:
        // The request was checked before it left. What an orchestrator itself finds wrong with it
        // is mostly about money, or about what it can't read; others decide for themselves.
        if (out.why.kind == fault_kind::bad_request)
            out.why.kind = about_payment(what.text) ? fault_kind::payment : fault_kind::declined;
        break;
    case 413:
    case 415:
    case 422:
        out.client = worded(static_cast<http::status>(what.status), what.text);
        out.why.kind = fault_kind::bad_request;
        break;
    default:
        // "returned 4000" and the like: words that only look like a runner's.
        if (out.why.kind == fault_kind::bad_request)
            out.why.kind = fault_kind::internal;
        break;
    }
    out.refresh = out.why.kind == fault_kind::payment;
    return out;
}

json::array to_json(const std::vector<session::tried>& reasons) {
    json::array out;
    for (const auto& one : reasons)
        out.push_back(json::object{
            {"orchestrator", one.orchestrator},
            {"kind", std::string(session::to_string(one.why.kind))},
            {"status", one.why.status},
            {"text", one.why.text}});
    return out;
}

api_error nobody_answered(
    const std::vector<session::tried>& reasons,
    std::string_view summary,
    duration retry_after,
    bool deadline_passed
) {
    const auto all_are = [&](fault_kind kind) {
        return !reasons.empty() && std::ranges::all_of(reasons, [&](const session::tried& one) {
            return one.why.kind == kind;
        });
    };
    std::size_t refusals = 0;
    std::string_view refusal;
    for (const auto& one : reasons)
        if (one.why.kind == fault_kind::declined) {
            ++refusals;
            refusal = one.why.text;
        }
    api_error out;
    if (refusals >= believed_refusals || all_are(fault_kind::declined)) {
        out = worded(http::status::bad_request, refusal);
    } else if (deadline_passed || all_are(fault_kind::timed_out)) {
        out.status = http::status::gateway_timeout;
        out.message = "Gateway Timeout: " + std::string(summary);
    } else {
        out.status = http::status::service_unavailable;
        out.message = "Service Unavailable Error: " + std::string(summary);
        out.retry_after = retry_after;
    }
    out.tried = to_json(reasons);
    return out;
}

} // namespace rivulet::batch
