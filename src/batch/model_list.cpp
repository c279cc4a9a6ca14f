#include "batch/model_list.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>

namespace rivulet::batch {

namespace json = boost::json;

namespace {

const json::value* find(const json::object& from, std::string_view key) {
    return from.if_contains(key);
}

const json::object* object_in(const json::object& from, std::string_view key) {
    const auto* value = find(from, key);
    return value ? value->if_object() : nullptr;
}

std::int64_t integer_in(const json::object& from, std::string_view key) {
    const auto* value = find(from, key);
    error_code ec;
    const auto number = value ? value->to_number<std::int64_t>(ec) : 0;
    return ec ? 0 : number;
}

struct model_entry {
    std::int64_t orchestrators = 0, warm = 0, capacity = 0;
    std::optional<double> lowest, highest; // wei for one unit

    void take_price(double wei) {
        lowest = std::min(lowest.value_or(wei), wei);
        highest = std::max(highest.value_or(wei), wei);
    }
};

using model_map = std::map<std::string, model_entry, std::less<>>;

// What a unit of that capability costs there: the price of the model, else the one for all of its
// models, else the one for everything.
std::optional<double>
price_of(const json::object& orchestrator, session::capability_id id, std::string_view model) {
    const auto wei = [](const json::object& price) -> std::optional<double> {
        const auto pixels = integer_in(price, "pixelsPerUnit");
        if (pixels <= 0)
            return {};
        return static_cast<double>(integer_in(price, "pricePerUnit")) / static_cast<double>(pixels);
    };
    std::optional<double> of_all_models;
    const auto* prices = find(orchestrator, "capabilities_prices");
    const auto* list = prices ? prices->if_array() : nullptr;
    for (std::size_t i = 0; list && i < list->size(); ++i) {
        const auto* price = (*list)[i].if_object();
        if (!price || integer_in(*price, "capability") != id)
            continue;
        const auto* constraint = find(*price, "constraint");
        const auto* text = constraint ? constraint->if_string() : nullptr;
        if (text && std::string_view(text->data(), text->size()) == model)
            return wei(*price);
        if (!text || text->empty() || *text == "default")
            of_all_models = wei(*price);
    }
    if (of_all_models)
        return of_all_models;
    const auto* general = object_in(orchestrator, "price_info");
    return general ? wei(*general) : std::nullopt;
}

void take_orchestrator(
    const json::object& one, std::map<session::capability_id, model_map>& found
) {
    const auto* capabilities = object_in(one, "capabilities");
    const auto* constraints = capabilities ? object_in(*capabilities, "constraints") : nullptr;
    const auto* by_id = constraints ? object_in(*constraints, "PerCapability") : nullptr;
    if (!by_id)
        return;
    for (const auto& [key, capability] : *by_id) {
        session::capability_id id = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (error != std::errc() || end != key.data() + key.size() || !capability.is_object())
            continue;
        const auto* models = object_in(capability.get_object(), "models");
        if (!models)
            continue;
        for (const auto& [name, constraint] : *models) {
            if (!constraint.is_object())
                continue;
            const auto& offer = constraint.get_object();
            auto& entry = found[id][std::string(name)];
            ++entry.orchestrators;
            const auto* warm = find(offer, "warm");
            entry.warm += warm && warm->is_bool() && warm->get_bool() ? 1 : 0;
            entry.capacity += std::max<std::int64_t>(integer_in(offer, "capacity"), 0);
            if (const auto wei = price_of(one, id, name))
                entry.take_price(*wei);
        }
    }
}

// Most prices are whole wei; written so, they are easier to read.
json::value amount(double wei) {
    if (std::abs(wei) < 9e15 && std::floor(wei) == wei)
        return static_cast<std::int64_t>(wei);
    return wei;
}

json::object to_json(const model_map& models) {
    json::object out;
    for (const auto& [name, entry] : models) {
        json::value price = nullptr;
        if (entry.lowest)
            price = json::object{
                {"lowest", amount(*entry.lowest)},
                {"highest", amount(*entry.highest)},
                {"currency", "wei"}};
        out[name] = json::object{
            {"orchestrators", entry.orchestrators},
            {"warm", entry.warm},
            {"cold", entry.orchestrators - entry.warm},
            {"capacity", entry.capacity},
            {"price", std::move(price)}};
    }
    return out;
}

// What the price is for.
std::string_view unit_of(const pipeline& kind) {
    switch (kind.reply) {
    case reply_kind::chunks:
        return "millisecond";
    case reply_kind::completion:
        return "token";
    case reply_kind::audio:
        return "1/1000 character";
    default:
        return "pixel";
    }
}

} // namespace

json::object model_list(const json::object& network, const request_rules& rules) {
    std::map<session::capability_id, model_map> found;
    const auto* list = find(network, "orchestrators");
    if (const auto* orchestrators = list ? list->if_array() : nullptr)
        for (const auto& one : *orchestrators)
            if (one.is_object())
                take_orchestrator(one.get_object(), found);
    json::object pipelines;
    for (const auto& kind : catalog())
        pipelines[kind.name] = json::object{
            {"title", kind.title},
            {"path", "/" + std::string(kind.name)},
            {"default_model", default_model(kind, rules)},
            {"unit", unit_of(kind)},
            {"models", to_json(found[kind.id])}};
    using session::capability::live_video_to_video;
    pipelines[session::pipeline_of(live_video_to_video)] = json::object{
        {"title", "Live video to video"},
        {"path", "/live/video-to-video/{stream}"},
        {"default_model", session::default_model(live_video_to_video)},
        {"unit", "pixel"},
        {"models", to_json(found[live_video_to_video])}};
    return {{"pipelines", std::move(pipelines)}};
}

} // namespace rivulet::batch
