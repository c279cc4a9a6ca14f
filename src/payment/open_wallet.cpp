#include "payment/local_signer.hpp"
#include "session/chain_source.hpp"
#include "session/keccak.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::payment {
namespace {

// `text` is at most what 256 bits hold; empty: `otherwise`.
outcome<integer> wei_of(std::string_view option, const std::string& text, integer otherwise) {
    if (text.empty())
        return otherwise;
    if (text.size() > 77 || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
        return failure(errc::invalid_argument, fmt::format("{} is no number of wei", option));
    const auto digits = text.find_first_not_of('0');
    return digits == std::string::npos ? integer(0) : integer(text.substr(digits));
}

} // namespace

outcome<std::shared_ptr<wallet>> open_wallet(
    asio::any_io_executor executor,
    const wallet_options& options,
    observe::metrics& metrics,
    std::shared_ptr<const records> accounts,
    logger log
) {
    ticket_limits limits;
    auto ticket_ev = wei_of("-maxTicketEV", options.max_ticket_ev, limits.max_ticket_ev);
    if (!ticket_ev)
        return ticket_ev.error();
    auto total_ev = wei_of("-maxTotalEV", options.max_total_ev, limits.max_total_ev);
    if (!total_ev)
        return total_ev.error();
    limits.max_ticket_ev = *ticket_ev;
    limits.max_total_ev = *total_ev;
    limits.deposit_multiplier = options.deposit_multiplier;
    if (options.eth_url.empty())
        return failure(errc::invalid_argument, "-ethKeystorePath needs -ethUrl, a node to ask");
    const auto controller = options.controller.empty() ? session::controller_of(options.network)
                                                       : session::parse_address(options.controller);
    if (!controller)
        return failure(
            errc::invalid_argument,
            options.controller.empty()
                ? fmt::format("-network {} has no contracts to pay with", options.network)
                : std::string("-ethController is no address")
        );
    auto node = session::json_rpc::create(options.eth_url);
    if (!node)
        return failure(node.error().code, "-ethUrl: " + node.error().detail);
    auto key = load_key(options.key);
    if (!key)
        return failure(key.error().code, "-ethKeystorePath: " + key.error().detail);
    chain_watch_options watch;
    watch.controller = *controller;
    watch.account = key->address();
    auto chain =
        make_chain_watch(executor, std::move(*node), std::move(watch), metrics, log.with("chain"));
    auto made = std::make_shared<wallet>(std::move(*key), std::move(chain), std::move(accounts));
    made->limits = limits;
    made->orchestrators = options.orchestrators;
    return made;
}

} // namespace rivulet::payment
