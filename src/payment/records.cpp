#include "payment/records.hpp"

#include "session/keccak.hpp"

#include <boost/json/object.hpp>
#include <fmt/core.h>

namespace rivulet::payment {

records::records(observe::metrics& metrics, std::shared_ptr<observe::event_queue> events)
    : tickets_(metrics.make_counter(
          "livepeer_tickets_sent", "Tickets in payments that orchestrators have taken."
      )),
      value_(metrics.make_counter(
          "livepeer_ticket_value_sent", "Expected value of the tickets sent, in gwei."
      )),
      errors_(
          metrics.make_counter("livepeer_payment_create_errors", "Payments that could not be made.")
      ),
      events_(std::move(events)) {}

void records::sent(const payment_record& payment) const {
    const auto& worth = payment.worth;
    if (worth.tickets == 0)
        return;
    tickets_.add(static_cast<double>(worth.tickets));
    value_.add(gwei(worth.value));
    if (!events_)
        return;
    boost::json::object data;
    data["clientIP"] = "";
    data["requestID"] = "";
    data["capability"] = payment.pipeline;
    data["manifestID"] = payment.manifest;
    data["sessionID"] = payment.session_id;
    data["recipient"] = session::checksum_address(worth.recipient);
    data["faceValue"] = eth_text(worth.face_value) + " ETH";
    data["winProb"] =
        fmt::format("{:.10g}", static_cast<double>(amount(worth.win_prob, max_uint256())));
    data["price"] = fmt::format("{}/{}", payment.price.per_unit, payment.price.pixels_per_unit);
    data["numTickets"] = std::to_string(worth.tickets);
    data["sender"] = session::checksum_address(payment.sender);
    data["orchestrator"] = payment.orchestrator;
    events_->send("create_new_payment", std::move(data));
}

void records::not_made() const {
    errors_.add();
}

} // namespace rivulet::payment
