#include "session/acceptance.hpp"

#include "base/utf8.hpp"
#include "session/keccak.hpp"

#include <fmt/core.h>

namespace rivulet::session {

outcome<blocklist> blocklist::parse(const std::vector<std::string>& entries) {
    blocklist out;
    for (std::string_view list : entries)
        while (!list.empty()) {
            const auto comma = std::min(list.find(','), list.size());
            const auto entry = list.substr(0, comma);
            list.remove_prefix(std::min(comma + 1, list.size()));
            if (entry.find_first_not_of(" \t\r\n") == std::string_view::npos)
                continue;
            auto address = parse_address(entry);
            if (!address)
                return failure(
                    errc::invalid_argument,
                    fmt::format(
                        "blocked address '{}': 0x and 40 hex digits are wanted",
                        valid_utf8(entry, 60)
                    )
                );
            out.addresses_.insert(std::move(*address));
        }
    return out;
}

std::string rejection(const orchestrator_info& info, const acceptance_rules& rules) {
    if (info.transcoder.empty())
        return "it names no address for jobs";
    if (rules.blocked.contains(info.address))
        return fmt::format("{} is blocked", checksum_address(info.address));
    if (!info.token || info.token->token.empty())
        return "it gave no auth token";
    if (!rules.require_ticket_params)
        return {};
    // Who asks nothing is not paid.
    if (info.price ? info.price->per_unit == 0 : !info.tickets)
        return {};
    if (info.address.size() != 20)
        return "it has no address to pay to";
    if (!info.tickets)
        return "it gave no ticket parameters";
    if (info.tickets->recipient.size() != 20)
        return "its ticket parameters name no recipient";
    if (info.tickets->recipient_rand_hash.size() != 32)
        return "its ticket parameters have no random hash";
    if (!info.price)
        return "it named no price";
    if (info.price->pixels_per_unit <= 0 || info.price->per_unit < 0)
        return "its price makes no sense";
    return {};
}

std::string rejection(
    const orchestrator_info& info,
    const capability_table& wanted,
    capability_id capability,
    const std::string& model,
    const acceptance_rules& rules
) {
    if (auto why = rejection(info, rules); !why.empty())
        return why;
    if (!info.capabilities)
        return "it told nothing of its capabilities";
    if (auto why = incompatibility(wanted, *info.capabilities); !why.empty())
        return why;
    // A table without the capability contradicts nothing, but promises nothing either.
    if (!info.capabilities->find(capability, model))
        return fmt::format(
            "it does not offer {} {}", pipeline_of(capability), valid_utf8(model, 100)
        );
    return {};
}

} // namespace rivulet::session
