#include "worker/node_offer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <livepeer.pb.h>
#include <numeric>

namespace rivulet::worker {

namespace {

// What every node of the network says it can do besides its AI pipelines.
constexpr int default_bits[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 26};

constexpr std::string_view capped = "Invalid orchestrator request: OrchestratorCapped";

void set_bit(net::Capabilities& into, int id) {
    const int word = id / 64;
    while (into.bitstring_size() <= word)
        into.add_bitstring(0);
    into.set_bitstring(word, into.bitstring(word) | std::uint64_t{1} << (id % 64));
}

void describe(net::Capabilities& into, const node_offer& offer) {
    for (const int id : default_bits) {
        set_bit(into, id);
        (*into.mutable_capacities())[static_cast<std::uint32_t>(id)] = 1;
    }
    into.set_version(offer.version);
    auto& table = *into.mutable_constraints()->mutable_percapability();
    for (const auto& each : offer.models) {
        const auto id = static_cast<std::uint32_t>(each.capability);
        set_bit(into, each.capability);
        auto& capacity = (*into.mutable_capacities())[id];
        capacity = std::max(capacity, std::max<std::uint32_t>(each.capacity + each.in_use, 1));
        auto& row = (*table[id].mutable_models())[each.model];
        row.set_warm(each.warm);
        row.set_capacity(each.capacity);
        row.set_capacityinuse(each.in_use);
        row.set_runnerversion(each.runner_version);
    }
}

const offered_model* find(const node_offer& offer, std::uint32_t id, const std::string& model) {
    for (const auto& each : offer.models)
        if (static_cast<std::uint32_t>(each.capability) == id && each.model == model)
            return &each;
    return nullptr;
}

// Only live jobs are looked at: a batch job finds out when it comes.
bool has_room(const net::Capabilities& wanted, const node_offer& offer) {
    const auto id = static_cast<std::uint32_t>(session::capability::live_video_to_video);
    const auto& table = wanted.constraints().percapability();
    const auto live = table.find(id);
    if (live == table.end())
        return true;
    const auto& models = live->second.models();
    return std::any_of(models.begin(), models.end(), [&](const auto& each) {
        const auto* found = find(offer, id, each.first);
        return found && found->capacity > 0;
    });
}

// Wei per unit as a fraction; what 64 bits can't hold is not added.
__extension__ using wide = __int128;

struct fraction {
    std::int64_t above = 0, below = 1;

    bool add(const session::price_info& price) {
        const auto common = std::gcd(below, price.pixels_per_unit);
        const auto mine = static_cast<wide>(above) * (price.pixels_per_unit / common);
        const auto other = static_cast<wide>(price.per_unit) * (below / common);
        const auto bottom = static_cast<wide>(below) * (price.pixels_per_unit / common);
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        if (mine + other > most || bottom > most)
            return false;
        above = static_cast<std::int64_t>(mine + other);
        below = static_cast<std::int64_t>(bottom);
        return true;
    }
};

// The sum over the models that the request counts and names.
std::optional<fraction> price_of(const net::Capabilities& wanted, const node_offer& offer) {
    std::optional<fraction> sum;
    for (const auto& [id, capability] : wanted.constraints().percapability()) {
        if (wanted.capacities().find(id) == wanted.capacities().end())
            continue;
        for (const auto& [model, constraint] : capability.models()) {
            const auto* found = find(offer, id, model);
            if (!found || !found->price)
                continue;
            auto next = sum.value_or(fraction{});
            if (next.add(*found->price))
                sum = next;
        }
    }
    return sum;
}

void set_price(net::PriceInfo& into, const session::price_info& price) {
    into.set_priceperunit(price.per_unit);
    into.set_pixelsperunit(price.pixels_per_unit);
}

void describe_everything(net::OrchestratorInfo& into, const node_offer& offer) {
    if (offer.base_price)
        set_price(*into.mutable_price_info(), *offer.base_price);
    for (const auto& each : offer.models) {
        if (!each.price)
            continue;
        auto& row = *into.add_capabilities_prices();
        set_price(row, *each.price);
        row.set_capability(static_cast<std::uint32_t>(each.capability));
        row.set_constraint(each.model);
    }
    for (const auto& each : offer.hardware) {
        auto& row = *into.add_hardware();
        row.set_pipeline(each.pipeline);
        row.set_model_id(each.model_id);
        for (const auto& [key, gpu] : each.gpus) {
            auto& one = (*row.mutable_gpu_info())[key];
            one.set_id(gpu.id);
            one.set_name(gpu.name);
            one.set_major(gpu.major);
            one.set_minor(gpu.minor);
            one.set_memory_free(gpu.memory_free);
            one.set_memory_total(gpu.memory_total);
        }
    }
}

} // namespace

outcome<std::string>
answer_discovery(const node_offer& offer, std::string_view request, const session_token& token) {
    net::OrchestratorRequest asked;
    if (!asked.ParseFromArray(request.data(), static_cast<int>(request.size())))
        return failure(errc::protocol_violation, "Invalid orchestrator request: not readable");
    if (asked.has_capabilities() && !asked.ignorecapacitycheck() &&
        !has_room(asked.capabilities(), offer))
        return failure(errc::no_capacity, std::string(capped));

    net::OrchestratorInfo info;
    info.set_transcoder(offer.url);
    info.set_address(std::string(20, '\0'));
    describe(*info.mutable_capabilities(), offer);
    auto& auth = *info.mutable_auth_token();
    auth.set_token(token.seal);
    auth.set_session_id(token.session_id);
    auth.set_expiration(token.expiration);
    if (!asked.has_capabilities()) {
        describe_everything(info, offer);
    } else if (auto sum = price_of(asked.capabilities(), offer)) {
        info.mutable_price_info()->set_priceperunit(sum->above);
        info.mutable_price_info()->set_pixelsperunit(sum->below);
    } else if (offer.base_price && asked.capabilities().capacities().empty()) {
        set_price(*info.mutable_price_info(), *offer.base_price);
    }
    for (const auto& node : offer.nodes)
        info.add_nodes(node);
    return info.SerializeAsString();
}

} // namespace rivulet::worker
