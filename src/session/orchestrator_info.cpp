#include "session/orchestrator_info.hpp"

#include "http/client_url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <google/protobuf/stubs/logging.h>
#include <limits>
#include <livepeer.pb.h>

namespace rivulet::session {
namespace {

constexpr std::size_t max_text = 1024;
constexpr std::size_t max_rows = 4096; // models, prices, hardware
constexpr std::size_t max_nodes = 64;
constexpr std::size_t max_words = 64; // of a bit string: 4,096 capabilities
constexpr std::size_t max_integer = 32;
constexpr std::size_t address_bytes = 20;
constexpr std::size_t signature_bytes = 65;

// The library complains about texts that are not UTF-8 on stderr; callers get an error instead.
[[maybe_unused]] const auto quiet = google::protobuf::SetLogHandler(nullptr);

failure broken(std::string_view what, std::string_view how) {
    return {errc::protocol_violation, fmt::format("{} {}", what, how)};
}

// Reads one answer; the first thing wrong with it is kept and the rest does not matter any more.
class reader {
  public:
    const std::optional<failure>& failed() const { return failed_; }

    void fail(std::string_view what, std::string_view how) {
        if (!failed_)
            failed_ = broken(what, how);
    }

    // Texts get into logs and pages.
    std::string text(std::string_view what, const std::string& value) {
        if (value.size() > max_text)
            fail(what, "is too long");
        else if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
            fail(what, "contains a control character");
        else
            return value;
        return {};
    }

    std::string octets(std::string_view what, const std::string& value, std::size_t max) {
        if (value.size() <= max)
            return value;
        fail(what, fmt::format("is longer than {} bytes", max));
        return {};
    }

    bool count(std::string_view what, std::int64_t rows, std::size_t max) {
        if (rows >= 0 && static_cast<std::size_t>(rows) <= max)
            return true;
        fail(what, fmt::format("has more than {} entries", max));
        return false;
    }

    std::string account(std::string_view what, const std::string& value) {
        if (value.empty() || value.size() == address_bytes)
            return value;
        fail(what, "is not 20 bytes long");
        return {};
    }

    std::optional<capability_table> capabilities(const net::Capabilities& from);
    ticket_params tickets(const net::TicketParams& from);
    auth_token token(const net::AuthToken& from);
    hardware_info hardware(const net::HardwareInformation& from);

  private:
    std::optional<failure> failed_;
};

std::optional<capability_table> reader::capabilities(const net::Capabilities& from) {
    if (!count("capabilities.bitstring", from.bitstring_size(), max_words) ||
        !count("capabilities.mandatories", from.mandatories_size(), max_words) ||
        !count(
            "capabilities.capacities", static_cast<std::int64_t>(from.capacities().size()), max_rows
        ))
        return {};
    capability_table table;
    table.bits.assign(from.bitstring().begin(), from.bitstring().end());
    table.mandatories.assign(from.mandatories().begin(), from.mandatories().end());
    for (const auto& [id, capacity] : from.capacities())
        table.capacities[id] = capacity;
    table.version = text("capabilities.version", from.version());
    table.min_version = text("constraints.minVersion", from.constraints().minversion());
    const auto& constraints = from.constraints().percapability();
    std::size_t rows = 0;
    for (const auto& [id, entry] : constraints) {
        rows += 1 + entry.models().size();
        if (!count("constraints.PerCapability", static_cast<std::int64_t>(rows), max_rows))
            return {};
        auto& models = table.models[id];
        for (const auto& [name, constraint] : entry.models()) {
            auto& model = models[text("a model's name", name)];
            model.warm = constraint.warm();
            model.capacity = constraint.capacity();
            model.capacity_in_use = constraint.capacityinuse();
            model.runner_version = text("runnerVersion", constraint.runnerversion());
        }
    }
    return table;
}

ticket_params reader::tickets(const net::TicketParams& from) {
    ticket_params made;
    made.recipient = account("ticket_params.recipient", from.recipient());
    made.face_value = octets("ticket_params.face_value", from.face_value(), max_integer);
    made.win_prob = octets("ticket_params.win_prob", from.win_prob(), max_integer);
    made.recipient_rand_hash =
        octets("ticket_params.recipient_rand_hash", from.recipient_rand_hash(), max_integer);
    made.seed = octets("ticket_params.seed", from.seed(), max_integer);
    made.expiration_block =
        octets("ticket_params.expiration_block", from.expiration_block(), max_integer);
    made.creation_round = from.expiration_params().creation_round();
    made.creation_round_block_hash = octets(
        "ticket_params.creation_round_block_hash",
        from.expiration_params().creation_round_block_hash(),
        max_integer
    );
    return made;
}

auth_token reader::token(const net::AuthToken& from) {
    auth_token made;
    made.token = octets("auth_token.token", from.token(), max_text);
    made.session_id = text("auth_token.session_id", from.session_id());
    // Below 1970 is over in any case; differences with now can't overflow then.
    made.expiration = std::max<std::int64_t>(from.expiration(), 0);
    return made;
}

hardware_info reader::hardware(const net::HardwareInformation& from) {
    hardware_info made;
    made.pipeline = text("hardware.pipeline", from.pipeline());
    made.model_id = text("hardware.model_id", from.model_id());
    for (const auto& [key, value] : from.gpu_info()) {
        auto& gpu = made.gpus[text("hardware.gpu_info", key)];
        gpu.id = text("gpu_info.id", value.id());
        gpu.name = text("gpu_info.name", value.name());
        gpu.major = value.major();
        gpu.minor = value.minor();
        gpu.memory_free = value.memory_free();
        gpu.memory_total = value.memory_total();
    }
    return made;
}

bool priced(const net::PriceInfo& from) {
    return from.priceperunit() >= 0 && from.pixelsperunit() > 0;
}

price_info to_price(const net::PriceInfo& from) {
    price_info made;
    made.per_unit = from.priceperunit();
    made.pixels_per_unit = from.pixelsperunit();
    made.capability = from.capability();
    made.constraint = from.constraint();
    return made;
}

bool one_line(const std::string& text) {
    return text.size() <= max_text &&
           std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// "HTTPS://H:1//" → "https://h:1"; nothing when it is no address to send requests to.
std::optional<std::string> http_base(std::string url) {
    if (!one_line(url))
        return {};
    while (url.ends_with('/'))
        url.pop_back();
    const auto parsed = http::parse_http_url(url);
    if (!parsed || url.find('?') != url.npos || url.find('#') != url.npos)
        return {};
    // One spelling for one place: it is the name of a session.
    const auto authority_end = std::min(url.find('/', url.find("://") + 3), url.size());
    std::transform(
        url.begin(),
        url.begin() + static_cast<std::ptrdiff_t>(authority_end),
        url.begin(),
        [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
    );
    return url;
}

void write_capabilities(const capability_table& table, net::Capabilities& into) {
    into.mutable_bitstring()->Add(table.bits.begin(), table.bits.end());
    into.mutable_mandatories()->Add(table.mandatories.begin(), table.mandatories.end());
    for (const auto& [id, capacity] : table.capacities)
        (*into.mutable_capacities())[id] = capacity;
    into.set_version(table.version);
    if (table.min_version.empty() && table.models.empty())
        return;
    auto& constraints = *into.mutable_constraints();
    constraints.set_minversion(table.min_version);
    for (const auto& [id, models] : table.models) {
        auto& entry = *(*constraints.mutable_percapability())[id].mutable_models();
        for (const auto& [name, model] : models) {
            auto& made = entry[name];
            made.set_warm(model.warm);
            made.set_capacity(model.capacity);
            made.set_capacityinuse(model.capacity_in_use);
            made.set_runnerversion(model.runner_version);
        }
    }
}

void write_price(const price_info& price, net::PriceInfo& into) {
    into.set_priceperunit(price.per_unit);
    into.set_pixelsperunit(price.pixels_per_unit);
    into.set_capability(price.capability);
    into.set_constraint(price.constraint);
}

void write_tickets(const ticket_params& tickets, net::TicketParams& into) {
    into.set_recipient(tickets.recipient);
    into.set_face_value(tickets.face_value);
    into.set_win_prob(tickets.win_prob);
    into.set_recipient_rand_hash(tickets.recipient_rand_hash);
    into.set_seed(tickets.seed);
    into.set_expiration_block(tickets.expiration_block);
    into.mutable_expiration_params()->set_creation_round(tickets.creation_round);
    into.mutable_expiration_params()->set_creation_round_block_hash(
        tickets.creation_round_block_hash
    );
}

void write_hardware(const hardware_info& hardware, net::HardwareInformation& into) {
    into.set_pipeline(hardware.pipeline);
    into.set_model_id(hardware.model_id);
    for (const auto& [key, gpu] : hardware.gpus) {
        auto& made = (*into.mutable_gpu_info())[key];
        made.set_id(gpu.id);
        made.set_name(gpu.name);
        made.set_major(gpu.major);
        made.set_minor(gpu.minor);
        made.set_memory_free(gpu.memory_free);
        made.set_memory_total(gpu.memory_total);
    }
}

template <class Message>
bool parse(Message& into, std::string_view protobuf) {
    return protobuf.size() <= max_info_bytes &&
           into.ParseFromArray(protobuf.data(), static_cast<int>(protobuf.size()));
}

} // namespace

outcome<info_ptr> parse_orchestrator_info(std::string_view protobuf) {
    if (protobuf.size() > max_info_bytes)
        return broken("the answer", fmt::format("is longer than {} bytes", max_info_bytes));
    net::OrchestratorInfo from;
    if (!parse(from, protobuf))
        return broken("the answer", "is no OrchestratorInfo message");
    reader read;
    auto made = std::make_shared<orchestrator_info>();
    if (!from.transcoder().empty()) {
        if (auto base = http_base(from.transcoder()))
            made->transcoder = std::move(*base);
        else
            read.fail("transcoder", "is no http:// or https:// address");
    }
    made->address = read.account("address", from.address());
    if (from.has_price_info()) {
        const auto& price = from.price_info();
        // Both zero is how some say nothing.
        if (priced(price))
            made->price = to_price(price);
        else if (price.pixelsperunit() != 0 || price.priceperunit() != 0)
            read.fail(
                "price_info", price.priceperunit() < 0 ? "is below 0" : "has no pixelsPerUnit"
            );
        if (made->price)
            made->price->constraint = read.text("price_info.constraint", price.constraint());
    }
    if (from.has_ticket_params())
        made->tickets = read.tickets(from.ticket_params());
    if (from.has_auth_token())
        made->token = read.token(from.auth_token());
    if (from.has_capabilities())
        made->capabilities = read.capabilities(from.capabilities());
    if (read.count("capabilities_prices", from.capabilities_prices_size(), max_rows))
        for (const auto& price : from.capabilities_prices())
            if (priced(price) && one_line(price.constraint()))
                made->capability_prices.push_back(to_price(price));
    std::size_t rows = 0;
    for (const auto& hardware : from.hardware()) {
        rows += 1 + hardware.gpu_info().size();
        if (!read.count("hardware", static_cast<std::int64_t>(rows), max_rows))
            break;
        made->hardware.push_back(read.hardware(hardware));
    }
    for (const auto& node : from.nodes()) {
        if (made->nodes.size() == max_nodes)
            break;
        if (node.size() <= max_text && node.starts_with("https://"))
            if (auto base = http_base(node))
                made->nodes.push_back(std::move(*base));
    }
    if (read.failed())
        return *read.failed();
    made->raw = std::string(protobuf);
    return info_ptr(std::move(made));
}

std::string info_request(
    const caller_identity& caller,
    const std::optional<capability_table>& capabilities,
    bool ignore_capacity
) {
    net::OrchestratorRequest request;
    request.set_address(caller.address);
    request.set_sig(caller.signature);
    request.set_ignorecapacitycheck(ignore_capacity);
    if (capabilities)
        write_capabilities(*capabilities, *request.mutable_capabilities());
    return request.SerializeAsString();
}

std::string to_protobuf(const capability_table& table) {
    net::Capabilities made;
    write_capabilities(table, made);
    return made.SerializeAsString();
}

outcome<received_question> parse_info_request(std::string_view protobuf) {
    net::OrchestratorRequest from;
    if (!parse(from, protobuf))
        return broken("the question", "is no OrchestratorRequest message");
    reader read;
    received_question made;
    made.caller.address = read.account("address", from.address());
    made.caller.signature = read.octets("sig", from.sig(), signature_bytes);
    made.ignore_capacity = from.ignorecapacitycheck();
    if (from.has_capabilities())
        made.capabilities = read.capabilities(from.capabilities());
    if (read.failed())
        return *read.failed();
    return made;
}

std::string to_protobuf(const orchestrator_info& info) {
    net::OrchestratorInfo made;
    made.set_transcoder(info.transcoder);
    made.set_address(info.address);
    if (info.price)
        write_price(*info.price, *made.mutable_price_info());
    if (info.tickets)
        write_tickets(*info.tickets, *made.mutable_ticket_params());
    if (info.token) {
        auto& token = *made.mutable_auth_token();
        token.set_token(info.token->token);
        token.set_session_id(info.token->session_id);
        token.set_expiration(info.token->expiration);
    }
    if (info.capabilities)
        write_capabilities(*info.capabilities, *made.mutable_capabilities());
    for (const auto& price : info.capability_prices)
        write_price(price, *made.add_capabilities_prices());
    for (const auto& hardware : info.hardware)
        write_hardware(hardware, *made.add_hardware());
    for (const auto& node : info.nodes)
        made.add_nodes(node);
    return made.SerializeAsString();
}

} // namespace rivulet::session
