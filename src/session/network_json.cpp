#include "session/network_json.hpp"

#include "base/utf8.hpp"
#include "session/keccak.hpp"

#include <algorithm>

namespace rivulet::session {

namespace json = boost::json;

namespace {

// Zero and empty are left out, as in everything that is made from the network's messages.
template <class T>
void put(json::object& into, std::string_view key, T value) {
    if (value != T())
        into[key] = value;
}

void put(json::object& into, std::string_view key, const std::string& value) {
    if (!value.empty())
        into[key] = valid_utf8(value);
}

json::object of_price(const price_info& price) {
    json::object out;
    put(out, "pricePerUnit", price.per_unit);
    put(out, "pixelsPerUnit", price.pixels_per_unit);
    put(out, "capability", price.capability);
    put(out, "constraint", price.constraint);
    return out;
}

json::object of_models(const model_table& models) {
    json::object out;
    for (const auto& [name, constraint] : models) {
        json::object one;
        put(one, "warm", constraint.warm);
        put(one, "capacity", constraint.capacity);
        put(one, "runnerVersion", constraint.runner_version);
        put(one, "capacityInUse", constraint.capacity_in_use);
        out[valid_utf8(name)] = std::move(one);
    }
    return out;
}

json::object of_capabilities(const capability_table& table) {
    json::object out;
    if (!table.bits.empty())
        out["bitstring"] = json::array(table.bits.begin(), table.bits.end());
    if (!table.mandatories.empty())
        out["mandatories"] = json::array(table.mandatories.begin(), table.mandatories.end());
    json::object capacities;
    for (const auto& [id, count] : table.capacities)
        capacities[std::to_string(id)] = count;
    if (!capacities.empty())
        out["capacities"] = std::move(capacities);
    put(out, "version", table.version);
    json::object constraints;
    put(constraints, "minVersion", table.min_version);
    json::object capabilities;
    for (const auto& [id, models] : table.models) {
        json::object one;
        one["models"] = of_models(models);
        capabilities[std::to_string(id)] = std::move(one);
    }
    if (!capabilities.empty())
        constraints["PerCapability"] = std::move(capabilities);
    if (!constraints.empty())
        out["constraints"] = std::move(constraints);
    return out;
}

json::object of_hardware(const hardware_info& hardware) {
    json::object gpus;
    for (const auto& [slot, gpu] : hardware.gpus) {
        json::object one;
        put(one, "id", gpu.id);
        put(one, "name", gpu.name);
        put(one, "major", gpu.major);
        put(one, "minor", gpu.minor);
        put(one, "memory_free", gpu.memory_free);
        put(one, "memory_total", gpu.memory_total);
        gpus[valid_utf8(slot)] = std::move(one);
    }
    json::object out;
    put(out, "pipeline", hardware.pipeline);
    put(out, "model_id", hardware.model_id);
    if (!gpus.empty())
        out["gpu_info"] = std::move(gpus);
    return out;
}

// Off-chain orchestrators send zeros.
std::string shown_address(const std::string& address) {
    return std::ranges::all_of(address, [](char c) { return c == 0; }) ? std::string()
                                                                       : checksum_address(address);
}

} // namespace

json::object network_entry(const orchestrator_info& info) {
    json::object out;
    out["address"] = info.tickets ? shown_address(info.tickets->recipient) : std::string();
    out["local_address"] = shown_address(info.address);
    out["orch_uri"] = valid_utf8(info.transcoder);
    out["capabilities"] =
        info.capabilities ? json::value(of_capabilities(*info.capabilities)) : json::value(nullptr);
    out["price_info"] = info.price ? json::value(of_price(*info.price)) : json::value(nullptr);
    json::array prices;
    for (const auto& one : info.capability_prices)
        prices.push_back(of_price(one));
    out["capabilities_prices"] = std::move(prices);
    json::array hardware;
    for (const auto& one : info.hardware)
        hardware.push_back(of_hardware(one));
    out["hardware"] = std::move(hardware);
    return out;
}

json::object network_body(json::array orchestrators) {
    json::object names;
    for (const auto& [id, name] : capability_names())
        names[std::to_string(id)] = name;
    json::object out;
    out["capabilities_names"] = std::move(names);
    out["orchestrators"] = std::move(orchestrators);
    return out;
}

} // namespace rivulet::session
