// Puts the packets of one RTP stream in order, says which ones to ask for again, and gives up on
// those that stay away too long. A packet in order leaves at once: waiting costs only after a loss,
// and as long as the way there and back suggests. Also what a receiver report tells (RFC 3550).
// Pure: no clock, no output.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "media/rtp_packet.hpp"
#include "media/timestamps.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace rivulet::media {

struct rtp_reorder_options {
    std::uint32_t clock_rate = 90'000;
    bool nack = false;
    duration first_hold = std::chrono::milliseconds(250); // until the round trip is known
    duration min_hold = std::chrono::milliseconds(80), max_hold = std::chrono::milliseconds(600);
    std::size_t max_packets = 2'048; // held behind a gap
};

struct rtp_stored {
    std::uint16_t sequence = 0;
    std::uint32_t timestamp = 0;
    bool marker = false;
    bool gap_before = false; // packets in front of it are lost for good
    bytes packet;            // header and payload
    std::size_t header_size = 0, payload_size = 0;
};

struct rtp_reception {
    std::uint64_t received = 0, bytes = 0; // packets and payload, as they came first
    std::uint64_t expected = 0;            // by sequence numbers
    std::uint64_t recovered = 0;           // came after a NACK
    std::uint64_t given_up = 0, duplicates = 0, nacked = 0;
    std::uint32_t highest = 0; // extended sequence number
    std::uint32_t jitter = 0;  // clock ticks
    duration round_trip{};     // of a NACK; 0: unknown
};

class rtp_reorder {
  public:
    explicit rtp_reorder(rtp_reorder_options options = {}) : options_(options) {}

    // `again`: it came by retransmission. False for a duplicate and what is too old.
    bool push(const rtp_header& header, bytes packet, bool again, time_point now);
    // Another stream follows, whose numbers have nothing to do with those before.
    void begin_anew();
    // The next packet in order, also past a gap whose time is over.
    std::optional<rtp_stored> pop(time_point now);
    // Sequence numbers to ask for now, at most max_nacks_at_once; each is asked for again until it
    // comes or is given up.
    std::vector<std::uint16_t> nacks(time_point now);
    static constexpr std::size_t max_nacks_at_once = 120; // two streams' fit one packet
    // When pop() or nacks() have something new without a push(); max() when never.
    time_point deadline() const;
    // How long a gap may last.
    duration hold() const;

    const rtp_reception& reception() const { return reception_; }

    // Share lost since the call before, of 256; by reception alone.
    std::uint8_t fraction_lost();

  private:
    struct missing {
        time_point noticed, ask_at;
        int asked = 0;
        time_point asked_at{};
    };

    void restart(std::int64_t sequence);
    void arrived(const rtp_header& header, time_point now);
    void found(std::int64_t sequence, time_point now);
    duration ask_pause() const;

    rtp_reorder_options options_;
    unwrapper<16> unwrap_;
    std::optional<std::int64_t> next_;     // to hand out
    std::int64_t highest_ = 0, first_ = 0; // seen
    std::map<std::int64_t, rtp_stored> held_;
    std::map<std::int64_t, missing> missing_;
    bool gap_ = false;
    int strangers_ = 0; // packets far away from the rest, one after the other
    rtp_reception reception_;
    std::uint64_t before_restart_ = 0; // expected of sequences before
    std::optional<std::int64_t> transit_;
    double jitter_ = 0;
    std::optional<time_point> epoch_;
    std::uint64_t reported_expected_ = 0, reported_received_ = 0;
};

} // namespace rivulet::media
