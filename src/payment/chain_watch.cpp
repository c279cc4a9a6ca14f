#include "payment/chain_view.hpp"
#include "payment/signature.hpp"
#include "session/contract_abi.hpp"
#include "session/keccak.hpp"

#include <boost/asio/detached.hpp>
#include <fmt/core.h>

namespace rivulet::payment {
namespace {

namespace json = boost::json;

std::int64_t signed_of(std::uint64_t value) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::int64_t>(std::min(value, most));
}

class chain_watch final : public chain_view, public std::enable_shared_from_this<chain_watch> {
  public:
    chain_watch(
        asio::any_io_executor executor,
        std::shared_ptr<session::json_rpc> node,
        chain_watch_options options,
        observe::metrics& metrics,
        logger log
    )
        : timer_(executor), node_(std::move(node)), options_(std::move(options)),
          log_(std::move(log)),
          deposit_(metrics.make_gauge("livepeer_gateway_deposit", "Our deposit, in gwei.")),
          reserve_(metrics.make_gauge("livepeer_gateway_reserve", "Our reserve, in gwei.")) {}

    awaitable<outcome<void>> start() override {
        auto broker = co_await contract("TicketBroker");
        if (!broker)
            co_return broker.error();
        broker_ = *broker;
        auto rounds = co_await contract("RoundsManager");
        if (!rounds)
            co_return rounds.error();
        rounds_ = *rounds;
        auto block = co_await read_block();
        if (!block)
            co_return block.error();
        auto funds = co_await read_funds();
        if (!funds)
            co_return funds.error();
        auto poll = keep_up(shared_from_this());
        asio::co_spawn(timer_.get_executor(), std::move(poll), asio::detached);
        co_return outcome<void>();
    }

    chain_state now() const override {
        const std::lock_guard lock(guard_);
        return state_;
    }

    void stop() override {
        asio::post(timer_.get_executor(), [self = shared_from_this()] {
            self->stopped_ = true;
            self->timer_.cancel();
            // Its kept connections must not outlive the executor they were made on.
            self->node_->stop();
        });
    }

  private:
    // A free coroutine in all but name: it keeps the watch alive until stop().
    static awaitable<void> keep_up(std::shared_ptr<chain_watch> self) {
        auto funds_at = steady_clock::now() + self->options_.funds_poll;
        bool failing = false;
        while (!self->stopped_) {
            self->timer_.expires_after(self->options_.block_poll);
            co_await self->timer_.async_wait(as_tuple);
            if (self->stopped_)
                co_return;
            auto read = co_await self->read_block();
            if (read && steady_clock::now() >= funds_at) {
                funds_at = steady_clock::now() + self->options_.funds_poll;
                read = co_await self->read_funds();
            }
            if (!read && !std::exchange(failing, true))
                self->log_.warn("the chain can't be read: {}", read.error().detail);
            if (read && std::exchange(failing, false))
                self->log_.info("the chain can be read again");
        }
    }

    awaitable<outcome<std::string>> contract(std::string name) {
        auto answer = co_await node_->eth_call(
            options_.controller, session::function_selector("getContract(bytes32)") + keccak(name)
        );
        if (!answer)
            co_return answer.error();
        auto address = session::abi_read_address(*answer);
        if (!address || *address == std::string(20, '\0'))
            co_return failure(
                errc::not_found,
                fmt::format("the controller on chain knows no {}: is it the right -network?", name)
            );
        co_return *address;
    }

    awaitable<outcome<void>> read_block() {
        json::array params;
        params.emplace_back("latest");
        params.emplace_back(false);
        auto answer = co_await node_->call("eth_getBlockByNumber", std::move(params));
        if (!answer)
            co_return answer.error();
        const auto* block = answer->if_object();
        std::optional<std::uint64_t> number;
        // Tickets count L1 blocks, which Arbitrum's blocks name.
        for (const char* key : {"l1BlockNumber", "number"}) {
            const auto* value = block ? block->if_contains(key) : nullptr;
            if (!number && value && value->is_string())
                number = session::parse_quantity(value->get_string());
        }
        if (!number)
            co_return failure(errc::protocol_violation, "the node's newest block has no number");
        const std::lock_guard lock(guard_);
        state_.l1_block = signed_of(*number);
        co_return outcome<void>();
    }

    awaitable<outcome<void>> read_funds() {
        auto info = co_await node_->eth_call(
            broker_,
            session::function_selector("getSenderInfo(address)") +
                session::abi_address(options_.account)
        );
        if (!info)
            co_return info.error();
        auto current =
            co_await node_->eth_call(rounds_, session::function_selector("lastInitializedRound()"));
        if (!current)
            co_return current.error();
        const auto deposit = session::abi_read_word(*info, 0);
        const auto withdraw = session::abi_read_word(*info, 1);
        const auto reserve = session::abi_read_word(*info, 2);
        const auto round = session::abi_read_uint(*current, 0);
        if (!deposit || !withdraw || !reserve || !round)
            co_return failure(errc::protocol_violation, "the ticket broker's answer is too short");
        auto hash = co_await node_->eth_call(
            rounds_,
            session::function_selector("blockHashForRound(uint256)") + session::abi_uint(*round)
        );
        if (!hash)
            co_return hash.error();
        sender_funds funds;
        funds.deposit = from_big_endian(*deposit);
        funds.reserve = from_big_endian(*reserve);
        const auto withdraw_round = from_big_endian(*withdraw);
        constexpr auto last = std::numeric_limits<std::int64_t>::max();
        funds.withdraw_round =
            withdraw_round > last ? last : static_cast<std::int64_t>(withdraw_round);
        funds.current_round = signed_of(*round);
        deposit_.set(gwei(amount(funds.deposit)));
        reserve_.set(gwei(amount(funds.reserve)));
        const std::lock_guard lock(guard_);
        state_.funds = funds;
        state_.round.round = signed_of(*round);
        state_.round.block_hash = session::abi_read_word(*hash, 0).value_or(std::string());
        co_return outcome<void>();
    }

    asio::steady_timer timer_;
    std::shared_ptr<session::json_rpc> node_;
    chain_watch_options options_;
    logger log_;
    observe::gauge deposit_, reserve_;
    std::string broker_, rounds_;
    bool stopped_ = false;
    mutable std::mutex guard_;
    chain_state state_;
};

} // namespace

std::shared_ptr<chain_view> make_chain_watch(
    asio::any_io_executor executor,
    std::shared_ptr<session::json_rpc> node,
    chain_watch_options options,
    observe::metrics& metrics,
    logger log
) {
    return std::make_shared<chain_watch>(
        executor, std::move(node), std::move(options), metrics, std::move(log)
    );
}

} // namespace rivulet::payment
