// The most that may be paid, for each capability and model (spec/orchestrators.md 7). Prices are
// exact fractions of wei; a text that can't be read is an error, never "no cap".
// Thread: any; caps may be changed while selections read them.
// Fails with: invalid_argument and a text that quotes the entry.
#pragma once

#include "base/error.hpp"
#include "session/capabilities.hpp"
#include "session/orchestrator_info.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace rivulet::session {

// Wei per pixel or compute unit: numerator / denominator, both within what comparing two of them
// exactly in 128 bits allows; the denominator is positive.
struct price {
    std::int64_t numerator = 0, denominator = 1;

    static std::optional<price> of(const std::optional<price_info>& info);
};

// Exact. -1, 0, 1.
int compare(const price& a, const price& b);
std::string to_string(const price& p); // "3/2 wei per unit"

class price_caps {
  public:
    // `per_unit` as -maxPricePerUnit ("1000", "0.5", "3wei", "1e-9 is no number"; currencies: wei,
    // eth), `pixels` as -pixelsPerUnit, `per_capability` as -maxPricePerCapability: JSON or the
    // path of a file with it; all may be empty.
    static outcome<std::unique_ptr<price_caps>>
    parse(std::string_view per_unit, std::string_view pixels, std::string_view per_capability);

    price_caps() = default;

    // Exact model, else the capability's "default", else the global cap, else none.
    std::optional<price> cap_of(capability_id capability, const std::string& model) const;
    // Empty when `offered` (of that capability and model) may be taken; else the reason for people.
    // An orchestrator without a price is free.
    std::string refusal(
        capability_id capability, const std::string& model, const std::optional<price>& offered
    ) const;

    void set_global(std::optional<price> cap);
    void set(capability_id capability, const std::string& model, price cap);
    boost::json::object to_json() const;

  private:
    mutable std::mutex guard_;
    std::optional<price> global_;
    std::map<std::pair<capability_id, std::string>, price> caps_;
};

// What the orchestrator had been asked when it gave its answer.
enum class asked_for { this_capability, everything };

// What an orchestrator asks for this capability and model: price_info of an answer to a question
// that carried the capability, else its capabilities_prices row, else price_info.
std::optional<price_info> offered_price(
    const orchestrator_info& info,
    capability_id capability,
    const std::string& model,
    asked_for what = asked_for::this_capability
);

} // namespace rivulet::session
