// Orchestrators that are simply known, with everything that a job needs to be taken to them: no
// gRPC, no waiting. They can do whatever is asked; the first of the list is preferred.
#pragma once

#include "base/shards.hpp"
#include "payment/payments.hpp"
#include "session/discovery.hpp"
#include "session/manager.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::test {

class known_infos final : public session::info_source {
  public:
    explicit known_infos(std::vector<std::string> urls) : urls_(std::move(urls)) {}

    awaitable<outcome<session::info_answer>>
    ask(std::string address, session::info_question question, duration) override {
        const auto at = std::ranges::find(urls_, address);
        if (at == urls_.end())
            co_return failure(errc::connect_failed, "nobody is at " + address);
        auto info = std::make_shared<session::orchestrator_info>();
        info->transcoder = address;
        info->token = {"token of " + address, "session", 4'000'000'000};
        info->capabilities = question.capabilities;
        if (info->capabilities) {
            info->capabilities->version = "0.8.8";
            for (auto& [id, models] : info->capabilities->models)
                for (auto& [name, model] : models) {
                    model.warm = at == urls_.begin(); // whom everybody prefers
                    model.capacity = 100;
                }
        }
        session::info_answer answer;
        answer.info = std::move(info);
        answer.latency = std::chrono::milliseconds(1);
        co_return answer;
    }

  private:
    const std::vector<std::string> urls_;
};

// The session manager over such a list, and payments that cost nothing.
class known_orchestrators {
  public:
    known_orchestrators(shards& threads, const std::vector<std::string>& urls)
        : known_orchestrators(threads, urls, options()) {}

    known_orchestrators(
        shards& threads, const std::vector<std::string>& urls, session::manager_options wanted
    )
        : discovery_(std::make_shared<session::discovery>(
              threads.at(0).get_executor(),
              std::make_shared<known_infos>(urls),
              std::make_shared<session::static_source>(urls),
              session::discovery_options(),
              metrics_,
              nullptr,
              logger("known")
          )),
          manager_(
              threads.at(0).get_executor(),
              discovery_,
              std::make_shared<session::price_caps>(),
              wanted,
              metrics_,
              logger("sessions")
          ),
          payments_(payment::off_chain_payments(discovery_)) {}

    // Before the shards stop.
    void stop() {
        manager_.stop();
        discovery_->stop();
    }

    session::manager& sessions() { return manager_; }

    payment::payments& payments() { return *payments_; }

    observe::metrics& metrics() { return metrics_; }

    // Without a try for the sake of learning.
    static session::manager_options options() {
        session::manager_options wanted;
        wanted.exploration = 0;
        return wanted;
    }

  private:
    observe::metrics metrics_;
    std::shared_ptr<session::discovery> discovery_;
    session::manager manager_;
    std::unique_ptr<payment::payments> payments_;
};

} // namespace rivulet::test
