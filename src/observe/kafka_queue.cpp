#include "observe/kafka_queue.hpp"

#include "base/ids.hpp"
#include "base/utf8.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <librdkafka/rdkafka.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

namespace rivulet::observe {
namespace {

constexpr std::size_t type_bytes = 64;
constexpr std::size_t error_bytes = 256;
constexpr duration error_pause = std::chrono::minutes(1); // between lines that say the same

std::string milliseconds(duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

// Random, version 4.
std::string uuid() {
    auto hex = random_hex(16);
    hex[12] = '4';
    hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) % 4];
    for (const std::size_t dash : {8, 13, 18, 23})
        hex.insert(dash, 1, '-');
    return hex;
}

} // namespace

outcome<std::vector<std::pair<std::string, std::string>>>
kafka_properties(const kafka_options& options) {
    if (options.brokers.empty() || options.topic.empty())
        return failure(
            errc::invalid_argument, "-kafkaBootstrapServers and -kafkaGatewayTopic go together"
        );
    if (options.user.empty() != options.password.empty())
        return failure(errc::invalid_argument, "-kafkaUser and -kafkaPassword go together");
    std::vector<std::pair<std::string, std::string>> all{
        {"bootstrap.servers", options.brokers},
        {"client.id", "rivulet"},
        {"batch.num.messages", std::to_string(options.batch)},
        {"linger.ms", milliseconds(options.linger)},
        {"queue.buffering.max.messages", std::to_string(options.waiting)},
        {"queue.buffering.max.kbytes", std::to_string(options.waiting_bytes / 1024)},
        {"message.send.max.retries", std::to_string(options.tries - 1)},
        {"message.timeout.ms", milliseconds(options.delivery)},
        {"compression.codec", "gzip"}};
    if (options.user.empty())
        return all;
    all.emplace_back("security.protocol", "sasl_ssl");
    all.emplace_back("sasl.mechanisms", "PLAIN");
    all.emplace_back("sasl.username", options.user);
    all.emplace_back("sasl.password", options.password);
    if (!options.ca_file.empty())
        all.emplace_back("ssl.ca.location", options.ca_file);
    return all;
}

std::string envelope(
    std::string_view id,
    std::string_view type,
    std::int64_t unix_ms,
    std::string_view gateway,
    boost::json::value data
) {
    boost::json::object whole{
        {"id", id}, {"type", type}, {"timestamp", std::to_string(unix_ms)}, {"gateway", gateway}};
    whole["data"] = std::move(data);
    return boost::json::serialize(whole);
}

struct kafka_queue::impl {
    impl(const kafka_options& o, metrics& m, logger l);
    ~impl();

    outcome<void> open(const std::vector<std::pair<std::string, std::string>>& properties);
    void send(std::string_view type, boost::json::value data);
    void close();
    void complain(const std::string& what);
    void listen();

    static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self);
    static void failed(rd_kafka_t*, int code, const char* reason, void* self);

    static void logged(const rd_kafka_t*, int, const char*, const char*) {}

    // given
    const kafka_options options;
    const logger log;

    // owned
    counters lost;
    counter sent;
    gauge depth;
    std::shared_ptr<void> collector;
    rd_kafka_t* producer = nullptr;
    std::thread listener;

    // state
    std::atomic<bool> ending = false;
    std::atomic<std::int64_t> waiting = 0; // not delivered yet
    std::mutex guard;                      // of what was complained about last
    std::string last_complaint;
    time_point last_complained{};
};

kafka_queue::impl::impl(const kafka_options& o, metrics& m, logger l)
    : options(o), log(std::move(l)),
      lost(counter_set(
          m,
          "livepeer_kafka_event_send_errors",
          "Events that were dropped: the queue was full, or no broker took them."
      )),
      sent(m.make_counter("rivulet_kafka_events_total", "Events that a broker has taken.")),
      depth(m.make_gauge("rivulet_queue_depth", "What waits in a queue now.", {{"queue", "kafka"}})
      ) {
    collector = m.before_text([this] { depth.set(static_cast<double>(waiting.load())); });
}

outcome<void>
kafka_queue::impl::open(const std::vector<std::pair<std::string, std::string>>& properties) {
    std::array<char, 512> why{};
    auto* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : properties)
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return failure(errc::invalid_argument, "Kafka: " + std::string(why.data()));
        }
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_error_cb(conf, failed);
    rd_kafka_conf_set_log_cb(conf, logged); // error_cb says what matters
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
    if (!producer) {
        rd_kafka_conf_destroy(conf);
        return failure(errc::invalid_argument, "Kafka: " + std::string(why.data()));
    }
    listener = std::thread([this] { listen(); });
    return {};
}

kafka_queue::impl::~impl() {
    collector.reset();
    if (!producer)
        return;
    close();
    rd_kafka_destroy(producer);
}

void kafka_queue::impl::close() {
    if (ending.exchange(true))
        return;
    listener.join();
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options.flush).count();
    rd_kafka_flush(producer, static_cast<int>(limit));
    if (const auto left = waiting.load(); left > 0) {
        log.warn("{} events were not delivered", left);
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(producer, static_cast<int>(limit)); // at once: counts them as lost
    }
}

void kafka_queue::impl::listen() {
    constexpr int turn_ms = 100;
    while (!ending)
        rd_kafka_poll(producer, turn_ms);
}

void kafka_queue::impl::send(std::string_view type, boost::json::value data) {
    auto kind = std::make_unique<std::string>(valid_utf8(type, type_bytes));
    const auto id = uuid();
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch()
    )
                         .count();
    auto text = envelope(id, *kind, now, options.gateway, std::move(data));
    if (ending) {
        lost.with({{"event_type", *kind}}).add();
        return;
    }
    ++waiting;
    const auto failed = rd_kafka_producev(
        producer,
        RD_KAFKA_V_TOPIC(options.topic.c_str()),
        RD_KAFKA_V_KEY(id.data(), id.size()),
        RD_KAFKA_V_VALUE(text.data(), text.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(kind.get()),
        RD_KAFKA_V_END
    );
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)kind.release(); // delivered() has it now
        return;
    }
    --waiting;
    lost.with({{"event_type", *kind}}).add();
    complain(rd_kafka_err2str(failed));
}

void kafka_queue::impl::complain(const std::string& what) {
    const auto now = steady_clock::now();
    {
        std::lock_guard hold(guard);
        if (what == last_complaint && now - last_complained < error_pause)
            return;
        last_complaint = what;
        last_complained = now;
    }
    log.warn("{}", valid_utf8(what, error_bytes));
}

// On the listening thread, once for every message.
void kafka_queue::impl::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto& self = *static_cast<impl*>(opaque);
    const std::unique_ptr<std::string> kind(static_cast<std::string*>(message->_private));
    --self.waiting;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        self.sent.add();
        return;
    }
    self.lost.with({{"event_type", kind ? *kind : std::string()}}).add();
    self.complain(std::string("an event was lost: ") + rd_kafka_err2str(message->err));
}

void kafka_queue::impl::failed(rd_kafka_t*, int, const char* reason, void* opaque) {
    static_cast<impl*>(opaque)->complain(reason ? reason : "unknown error");
}

outcome<std::unique_ptr<kafka_queue>>
kafka_queue::open(const kafka_options& options, metrics& metrics, logger log) {
    const auto properties = kafka_properties(options);
    if (!properties)
        return properties.error();
    auto made = std::make_unique<impl>(options, metrics, std::move(log));
    if (auto opened = made->open(*properties); !opened)
        return opened.error();
    made->log.info("events go to topic {} at {}", options.topic, options.brokers);
    return std::unique_ptr<kafka_queue>(new kafka_queue(std::move(made)));
}

kafka_queue::kafka_queue(std::unique_ptr<impl> made) : impl_(std::move(made)) {}

kafka_queue::~kafka_queue() = default;

void kafka_queue::send(std::string_view type, boost::json::value data) {
    impl_->send(type, std::move(data));
}

void kafka_queue::close() {
    impl_->close();
}

} // namespace rivulet::observe
