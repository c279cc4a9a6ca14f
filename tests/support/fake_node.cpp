#include "support/fake_node.hpp"

#include "base/deadline.hpp"
#include "session/chain_source.hpp"
#include "session/contract_abi.hpp"
#include "session/keccak.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace rivulet::test {

using namespace session;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

const std::string bonding(20, '\xb0');
const std::string registry(20, '\xe0');

std::string abi_string(const std::string& text) {
    auto padded = text;
    padded.resize((text.size() + 31) / 32 * 32);
    return abi_uint(32) + abi_uint(text.size()) + padded;
}

std::string name_hash(std::string_view name) {
    const auto hash = keccak256(name);
    return std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

} // namespace

std::string fake_node::controller() {
    return std::string(20, '\xc0');
}

fake_node::fake_node() : server_(shards_, {}, logger("node")) {
    server_.route(http::verb::post, "/v3/{key}", [this](const http::request& request) {
        return reply(request);
    });
    port_ = server_.listen("127.0.0.1:0").value();
}

fake_node::~fake_node() {
    server_.stop(10ms);
    shards_.stop();
}

std::string fake_node::url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/v3/secret";
}

void fake_node::set(std::vector<registered_orchestrator> pool) {
    const std::lock_guard lock(mutex_);
    pool_ = std::move(pool);
}

void fake_node::set_ai(std::map<std::string, std::string> uris) {
    const std::lock_guard lock(mutex_);
    ai_ = std::move(uris);
}

void fake_node::refuse(std::optional<http::response> with) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(with);
}

void fake_node::delay(duration by) {
    const std::lock_guard lock(mutex_);
    delay_ = by;
}

void fake_node::forget_contracts(bool forget) {
    const std::lock_guard lock(mutex_);
    forget_ = forget;
}

std::size_t fake_node::calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
}

std::size_t fake_node::most_at_once() {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
}

// Under the lock. Empty, as an account without code answers, for what no contract has.
std::string fake_node::call(const std::string& to, const std::string& data) {
    const auto selector = data.substr(0, 4);
    const auto argument = data.size() >= 36 ? data.substr(4, 32) : std::string();
    const auto is = [&selector](std::string_view signature) {
        return selector == function_selector(signature);
    };
    if (forget_)
        return {};
    if (to == controller() && is("getContract(bytes32)")) {
        if (argument == name_hash("BondingManager"))
            return abi_address(bonding);
        if (argument == name_hash("ServiceRegistry"))
            return abi_address(registry);
        return abi_address(std::string(20, '\0'));
    }
    const auto account = abi_read_address(argument).value_or(std::string());
    const auto at = std::ranges::find(pool_, account, &registered_orchestrator::account);
    if (to == bonding) {
        const std::string nobody(20, '\0');
        if (is("getFirstTranscoderInPool()"))
            return abi_address(pool_.empty() ? nobody : pool_.front().account);
        if (is("getNextTranscoderInPool(address)"))
            return abi_address(
                at == pool_.end() || std::next(at) == pool_.end() ? nobody : std::next(at)->account
            );
        if (is("isActiveTranscoder(address)"))
            return abi_uint(at != pool_.end() && at->active);
    }
    if (!is("getServiceURI(address)"))
        return {};
    if (to == parse_address(ai_service_registry) && ai_)
        return abi_string(ai_->contains(account) ? ai_->at(account) : std::string());
    if (to == registry && at != pool_.end())
        return abi_string(at->uri);
    return {};
}

awaitable<http::response> fake_node::reply(const http::request& request) {
    duration wait{0};
    {
        const std::lock_guard lock(mutex_);
        ++calls_;
        most_at_once_ = std::max(most_at_once_, ++at_once_);
        wait = delay_;
    }
    if (wait > 0ms)
        co_await expire_after(wait);
    const std::lock_guard lock(mutex_);
    --at_once_;
    if (refusal_)
        co_return *refusal_;
    const auto asked = json::parse(request.body);
    json::object answer;
    answer["jsonrpc"] = "2.0";
    answer["id"] = asked.at("id");
    const auto& transaction = asked.at("params").at(0).get_object();
    const auto to = from_hex(std::string_view(transaction.at("to").get_string())).value();
    const auto data = from_hex(std::string_view(transaction.at("data").get_string())).value();
    answer["result"] = "0x" + to_hex(call(to, data));
    co_return http::json_response(answer);
}

} // namespace rivulet::test
