#include "session/chain_source.hpp"

#include "base/deadline.hpp"
#include "base/notifier.hpp"
#include "base/utf8.hpp"
#include "session/contract_abi.hpp"
#include "session/json_rpc.hpp"
#include "session/keccak.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/asio/detached.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace rivulet::session {

const std::string_view ai_service_registry = "0x04C0b249740175999E5BF5c9ac1dA92431EF34C5";

namespace {

struct named_controller {
    std::string_view network, address;
};

constexpr named_controller controllers[] = {
    {"arbitrum-one-mainnet", "0xD8E8328501E9645d16Cf49539efC04f734606ee4"},
    {"mainnet", "0xf96d54e490317c557a967abfa5d6e33006be69b3"},
    {"arbitrum-one-rinkeby", "0x9ceC649179e2C7Ab91688271bcD09fb707b3E574"},
    {"rinkeby", "0x9a9827455911a858E55f07911904fACC0D66027E"},
};

// What one orchestrator is known by.
struct registered {
    std::string account; // 20 bytes
    bool active = false;
    std::string uri;
};

bool is_zero(std::string_view bytes) {
    return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// One reading of everything. Shared with the callers that run side by side; on one executor.
class chain_reading : public std::enable_shared_from_this<chain_reading> {
  public:
    chain_reading(
        std::shared_ptr<json_rpc> node,
        const chain_source_options& options,
        std::string controller,
        asio::any_io_executor executor
    )
        : node_(std::move(node)), most_(options.most), at_once_(options.at_once),
          ai_registry_(options.ai_registry), limit_(options.limit),
          controller_(std::move(controller)), changed_(std::move(executor)) {}

    awaitable<outcome<std::vector<candidate>>> read();

  private:
    using address_result = outcome<std::string>;

    awaitable<address_result> contract(std::string name);
    awaitable<address_result> address_call(std::string contract, std::string data);
    awaitable<outcome<std::string>> eth_call(std::string contract, std::string data);
    awaitable<outcome<void>> walk(std::string bonding);
    awaitable<void> read_some();
    awaitable<outcome<void>> read_one(registered& one);

    std::shared_ptr<json_rpc> node_;
    std::size_t most_, at_once_;
    bool ai_registry_;
    duration limit_;
    std::string controller_, bonding_, registry_;
    notifier changed_;

    time_point until_;
    std::vector<registered> all_;
    std::size_t next_ = 0;
    std::size_t readers_ = 0;
    std::optional<failure> failed_;
};

// What a node failed at is tried once more: a reading is hundreds of calls, and one of them must
// not cost all of them.
awaitable<outcome<std::string>> chain_reading::eth_call(std::string contract, std::string data) {
    if (steady_clock::now() >= until_)
        co_return failure(
            errc::timed_out,
            fmt::format("{}: reading the contracts takes too long", node_->endpoint())
        );
    auto result = co_await node_->eth_call(contract, data);
    if (result || result.error().code == errc::invalid_argument)
        co_return result;
    co_await expire_after(std::chrono::milliseconds(300));
    co_return co_await node_->eth_call(std::move(contract), std::move(data));
}

awaitable<chain_reading::address_result>
chain_reading::address_call(std::string contract, std::string data) {
    auto result = co_await eth_call(std::move(contract), std::move(data));
    if (!result)
        co_return result.error();
    auto address = abi_read_address(*result);
    // What an account without code answers: nothing.
    if (!address)
        co_return failure(
            errc::protocol_violation,
            fmt::format(
                "{}: no such contract there: is -network the node's network?", node_->endpoint()
            )
        );
    co_return std::move(*address);
}

awaitable<chain_reading::address_result> chain_reading::contract(std::string name) {
    const auto hash = keccak256(name);
    auto data = function_selector("getContract(bytes32)");
    data.append(reinterpret_cast<const char*>(hash.data()), hash.size());
    auto address = co_await address_call(controller_, std::move(data));
    if (address && is_zero(*address))
        co_return failure(
            errc::protocol_violation,
            fmt::format("{}: the controller knows no {}", node_->endpoint(), name)
        );
    co_return address;
}

// The pool is a linked list.
awaitable<outcome<void>> chain_reading::walk(std::string bonding) {
    std::set<std::string> seen;
    auto next = co_await address_call(bonding, function_selector("getFirstTranscoderInPool()"));
    while (next && !is_zero(*next) && all_.size() < most_ && seen.insert(*next).second) {
        registered one;
        one.account = *next;
        all_.push_back(std::move(one));
        auto data = function_selector("getNextTranscoderInPool(address)") + abi_address(*next);
        next = co_await address_call(bonding, std::move(data));
    }
    if (!next)
        co_return next.error();
    co_return outcome<void>();
}

awaitable<outcome<void>> chain_reading::read_one(registered& one) {
    auto question = function_selector("isActiveTranscoder(address)") + abi_address(one.account);
    auto active = co_await eth_call(bonding_, std::move(question));
    if (!active)
        co_return active.error();
    one.active = abi_read_bool(*active).value_or(false);
    if (!one.active)
        co_return outcome<void>();
    auto where = function_selector("getServiceURI(address)") + abi_address(one.account);
    auto uri = co_await eth_call(registry_, std::move(where));
    if (!uri)
        co_return uri.error();
    one.uri = abi_read_string(*uri).value_or(std::string());
    co_return outcome<void>();
}

awaitable<void> chain_reading::read_some() {
    auto self = shared_from_this();
    while (next_ < all_.size() && !failed_) {
        auto& one = all_[next_++];
        auto done = co_await read_one(one);
        // A contract that refuses one account says nothing about the others. A node that refuses
        // to answer says nothing about that account: without it the list would be wrong.
        if (!done && done.error().code != errc::invalid_argument && !failed_)
            failed_ = done.error();
    }
    --readers_;
    changed_.notify_all();
}

awaitable<outcome<std::vector<candidate>>> chain_reading::read() {
    auto self = shared_from_this();
    const auto executor = co_await asio::this_coro::executor;
    until_ = steady_clock::now() + limit_;
    auto bonding = co_await contract("BondingManager");
    if (!bonding)
        co_return bonding.error();
    bonding_ = *bonding;
    if (ai_registry_) {
        registry_ = parse_address(ai_service_registry).value_or(std::string());
    } else {
        auto registry = co_await contract("ServiceRegistry");
        if (!registry)
            co_return registry.error();
        registry_ = *registry;
    }
    auto walked = co_await walk(bonding_);
    if (!walked)
        co_return walked.error();
    for (std::size_t i = 0; i < std::min(at_once_, all_.size()); ++i) {
        ++readers_;
        asio::co_spawn(executor, read_some(), asio::detached);
    }
    while (readers_ > 0)
        co_await changed_.wait();
    if (failed_)
        co_return *failed_;
    std::vector<candidate> out;
    std::set<std::string> seen;
    for (const auto& one : all_) {
        if (one.uri.find("://") == std::string::npos)
            continue;
        auto base = orchestrator_base(one.uri);
        if (base && seen.insert(*base).second)
            out.emplace_back(std::move(*base));
    }
    co_return out;
}

// The coroutine owns the reading from its first step on.
awaitable<outcome<std::vector<candidate>>> read_all(std::shared_ptr<chain_reading> reading) {
    co_return co_await reading->read();
}

} // namespace

std::optional<std::string> controller_of(std::string_view network) {
    for (const auto& one : controllers)
        if (one.network == network)
            return parse_address(one.address);
    return std::nullopt;
}

outcome<std::shared_ptr<candidate_source>>
make_chain_source(asio::any_io_executor executor, chain_source_options options, logger log) {
    auto controller = options.controller.empty() ? controller_of(options.network)
                                                 : parse_address(options.controller);
    if (!controller && !options.controller.empty())
        return failure(
            errc::invalid_argument, "-ethController is no address: 0x and 40 hex digits are wanted"
        );
    if (!controller)
        return failure(
            errc::invalid_argument,
            fmt::format(
                "-network {} has no orchestrators on chain: arbitrum-one-mainnet does, or name the "
                "controller with -ethController",
                valid_utf8(options.network, 60)
            )
        );
    if (options.eth_url.empty())
        return failure(
            errc::invalid_argument,
            "reading orchestrators from the chain needs -ethUrl, a node's URL"
        );
    json_rpc::options calls;
    calls.client = options.client;
    calls.limit = options.call_limit;
    calls.kept = options.at_once;
    auto node = json_rpc::create(options.eth_url, std::move(calls));
    if (!node)
        return failure(errc::invalid_argument, "-ethUrl: " + node.error().detail);
    const auto rules = options.refresh;
    auto fetch = [node = *node, options = std::move(options), controller = *controller, executor] {
        return read_all(std::make_shared<chain_reading>(node, options, controller, executor));
    };
    return std::make_shared<refreshed_source>(
        executor, std::move(fetch), rules, std::move(log), [node = *node] { node->stop(); }
    );
}

} // namespace rivulet::session
