#include "session/price_caps.hpp"

#include "session/price_text.hpp"

#include <boost/algorithm/string/trim.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <fstream>
#include <limits>
#include <numeric>
#include <sstream>

namespace rivulet::session {
namespace {

namespace json = boost::json;

constexpr std::string_view any_model = "default";
constexpr std::size_t file_bytes = 1 << 20;
constexpr std::string_view option = "-maxPricePerCapability";

failure bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

// The option's value itself, or what stands in the file that it names.
outcome<std::string> document(std::string_view value) {
    if (value.front() == '{' || value.front() == '[')
        return std::string(value);
    const std::string path(value);
    std::ifstream file(path, std::ios::binary);
    std::string text(file_bytes + 1, '\0');
    if (file)
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.is_open() || file.bad())
        return bad(fmt::format("{}: can't read the file {}", option, path.substr(0, 300)));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > file_bytes)
        return bad(fmt::format("{}: {} is larger than 1 MiB", option, path.substr(0, 300)));
    return text;
}

// A number, or a number in quotes, as text; nothing for anything else.
std::optional<std::string> number_text(const json::value& value) {
    if (value.is_string()) {
        std::string text(value.get_string());
        boost::algorithm::trim(text);
        return text;
    }
    if (value.is_int64())
        return std::to_string(value.get_int64());
    if (value.is_uint64())
        return std::to_string(value.get_uint64());
    if (value.is_double())
        return fmt::format("{}", value.get_double()); // the shortest text that reads back the same
    return std::nullopt;
}

outcome<std::string> text_member(const json::object& row, std::string_view name) {
    const auto* value = row.if_contains(name);
    if (!value || value->is_null())
        return std::string();
    if (!value->is_string())
        return bad(fmt::format("{} is no text", name));
    return std::string(value->get_string());
}

struct entry {
    capability_id capability = 0;
    std::string model;
    price cap;
};

outcome<entry>
read_entry(const json::object& row, const std::optional<price>& global, std::string_view pixels) {
    entry out;
    auto pipeline = text_member(row, "pipeline");
    if (!pipeline)
        return pipeline.error();
    const auto capability = capability_of(*pipeline);
    if (!capability)
        return bad(fmt::format("nobody knows the pipeline '{}'", pipeline->substr(0, 100)));
    out.capability = *capability;
    auto model = text_member(row, "model_id");
    if (!model)
        return model.error();
    out.model = model->empty() ? std::string(any_model) : std::move(*model);
    auto currency = text_member(row, "currency");
    if (!currency)
        return currency.error();

    std::string per(pixels);
    if (const auto* value = row.if_contains("pixels_per_unit"); value && !value->is_null()) {
        const auto text = number_text(*value);
        if (!text)
            return bad("pixels_per_unit is no number");
        if (*text != "0")
            per = *text;
    }
    const auto* value = row.if_contains("price_per_unit");
    if (value && value->is_null())
        return bad("price_per_unit is null: write a number");
    if (value) {
        const auto text = number_text(*value);
        if (!text)
            return bad("price_per_unit is no number");
        auto cap = parse_price(*text, *currency, per, true);
        if (!cap)
            return cap.error();
        out.cap = *cap;
    }
    // No price: the global one stands for it, in its own currency and for its own pixels.
    if (out.cap.numerator == 0) {
        if (!global)
            return bad("it has no price_per_unit above 0, and there is no -maxPricePerUnit");
        out.cap = *global;
    }
    return out;
}

} // namespace

std::optional<price> price::of(const std::optional<price_info>& info) {
    if (!info)
        return std::nullopt;
    // What can't be a price is dearer than any cap rather than free.
    if (info->per_unit < 0 || info->pixels_per_unit <= 0)
        return price{std::numeric_limits<std::int64_t>::max(), 1};
    const auto common = std::max<std::int64_t>(1, std::gcd(info->per_unit, info->pixels_per_unit));
    return price{info->per_unit / common, info->pixels_per_unit / common};
}

int compare(const price& a, const price& b) {
    const auto left = static_cast<__int128>(a.numerator) * b.denominator;
    const auto right = static_cast<__int128>(b.numerator) * a.denominator;
    return left < right ? -1 : left > right ? 1 : 0;
}

std::string to_string(const price& p) {
    if (p.denominator == 1)
        return fmt::format("{} wei per unit", p.numerator);
    return fmt::format("{}/{} wei per unit", p.numerator, p.denominator);
}

outcome<std::unique_ptr<price_caps>> price_caps::parse(
    std::string_view per_unit, std::string_view pixels, std::string_view per_capability
) {
    auto out = std::make_unique<price_caps>();
    if (pixels.empty())
        pixels = "1";
    auto global = parse_price(per_unit.empty() ? "0" : per_unit, "wei", pixels);
    if (!global)
        return failure(errc::invalid_argument, "-maxPricePerUnit: " + global.error().detail);
    if (global->numerator > 0)
        out->global_ = *global;

    std::string value(per_capability);
    boost::algorithm::trim(value);
    if (value.empty())
        return out;
    auto text = document(value);
    if (!text)
        return text.error();
    error_code ec;
    json::parse_options strict;
    strict.max_depth = 8;
    const auto root = json::parse(*text, ec, {}, strict);
    if (ec)
        return bad(fmt::format("{}: no JSON: {}", option, ec.message()));
    const auto* rows =
        root.is_object() ? root.get_object().if_contains("capabilities_prices") : nullptr;
    if (!rows || !rows->is_array())
        return bad(fmt::format("{}: no list 'capabilities_prices' in it", option));
    for (const auto& row : rows->get_array()) {
        const auto quoted = json::serialize(row).substr(0, 200);
        if (!row.is_object())
            return bad(fmt::format("{}: {}: no object", option, quoted));
        auto one = read_entry(row.get_object(), out->global_, pixels);
        if (!one)
            return bad(fmt::format("{}: {}: {}", option, quoted, one.error().detail));
        if (!out->caps_.emplace(std::pair(one->capability, one->model), one->cap).second)
            return bad(fmt::format("{}: {}: it is there twice", option, quoted));
    }
    return out;
}

std::optional<price> price_caps::cap_of(capability_id capability, const std::string& model) const {
    const std::scoped_lock lock(guard_);
    if (const auto exact = caps_.find({capability, model}); exact != caps_.end())
        return exact->second;
    if (const auto any = caps_.find({capability, std::string(any_model)}); any != caps_.end())
        return any->second;
    return global_;
}

std::string price_caps::refusal(
    capability_id capability, const std::string& model, const std::optional<price>& offered
) const {
    if (!offered)
        return {};
    const auto cap = cap_of(capability, model);
    if (!cap || compare(*offered, *cap) <= 0)
        return {};
    return fmt::format("its price {} is above the cap of {}", to_string(*offered), to_string(*cap));
}

void price_caps::set_global(std::optional<price> cap) {
    const std::scoped_lock lock(guard_);
    global_ = cap;
}

void price_caps::set(capability_id capability, const std::string& model, price cap) {
    const std::scoped_lock lock(guard_);
    caps_[{capability, model.empty() ? std::string(any_model) : model}] = cap;
}

boost::json::object price_caps::to_json() const {
    const auto text = [](const price& p) {
        return p.denominator == 1 ? std::to_string(p.numerator)
                                  : fmt::format("{}/{}", p.numerator, p.denominator);
    };
    const std::scoped_lock lock(guard_);
    json::object out;
    out["max_price"] = global_ ? json::value(text(*global_)) : json::value(nullptr);
    json::array rows;
    for (const auto& [key, cap] : caps_)
        rows.push_back(json::object{
            {"pipeline", pipeline_of(key.first)},
            {"model_id", key.second},
            {"max_price", text(cap)}});
    out["capabilities"] = std::move(rows);
    return out;
}

std::optional<price_info> offered_price(
    const orchestrator_info& info,
    capability_id capability,
    const std::string& model,
    asked_for what
) {
    if (what == asked_for::this_capability && info.price)
        return info.price;
    for (const auto& row : info.capability_prices)
        if (row.capability == static_cast<std::uint32_t>(capability) && row.constraint == model)
            return row;
    return info.price;
}

} // namespace rivulet::session
