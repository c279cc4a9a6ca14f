#include "egress/rtp_viewer.hpp"

#include "media/rtp_opus.hpp"

#include <algorithm>

namespace rivulet::egress {
namespace {

constexpr double seconds_of(std::int64_t ticks) {
    return static_cast<double>(ticks) / static_cast<double>(media::clock_rate);
}

duration to_duration(double seconds) {
    return std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds));
}

} // namespace

rtp_viewer::rtp_viewer(const rtp_log& log, rtp_viewer_setup setup, send_packet send)
    : log_(log), send_(std::move(send)), cname_(std::move(setup.cname)) {
    if (setup.video)
        video_.emplace(*setup.video);
    if (setup.audio)
        audio_.emplace(*setup.audio);
}

void rtp_viewer::join(time_point now) {
    joined_ = true;
    has_keyframe_ = false;
    packet_ = 0;
    burst_.reset();
    frame_ = log_.end();
    if (const auto keyframe = log_.newest_keyframe(); keyframe && video_)
        begin_burst(*keyframe, now);
}

void rtp_viewer::begin_burst(std::uint64_t keyframe, time_point now) {
    frame_ = keyframe;
    packet_ = 0;
    const auto first = log_.at(keyframe)->time;
    const auto behind = std::max<std::int64_t>(0, log_.at(log_.end() - 1)->time - first);
    const double limit = std::chrono::duration<double>(catch_up_limit).count();
    burst_ = burst{first, now, std::max(burst_speed, 1 + seconds_of(behind) / limit)};
}

time_point rtp_viewer::due(const rtp_frame& frame) const {
    // A clock that jumped must not hold the burst up.
    const auto ahead =
        std::clamp<std::int64_t>(frame.time - burst_->first, 0, 60 * media::clock_rate);
    return burst_->begun + to_duration(seconds_of(ahead) / burst_->speed);
}

bool rtp_viewer::wanted(const rtp_frame& frame) const {
    if (frame.track == media::track_kind::audio)
        // Sound of the past would be played too fast, or delay the picture: it begins at the live
        // edge.
        return audio_ && !burst_;
    return video_ && (has_keyframe_ || frame.keyframe);
}

std::optional<time_point> rtp_viewer::pump(time_point now) {
    if (!joined_)
        join(now);
    if (now < not_before_)
        return not_before_;
    int left = packets_per_turn;
    while (frame_ < log_.end()) {
        if (frame_ < log_.begin()) {
            stats_.skipped_frames += log_.begin() - frame_;
            join(now);
            continue;
        }
        if (burst_ && packet_ == 0) {
            // Nobody needs the group of the past once a newer one has begun.
            if (const auto newest = log_.newest_keyframe(); newest && *newest > frame_)
                begin_burst(*newest, now);
            if (const auto at = due(*log_.at(frame_)); at > now)
                return at;
        }
        const auto frame = log_.at(frame_);
        if (!wanted(*frame)) {
            ++frame_;
            continue;
        }
        auto& track = frame->track == media::track_kind::video ? *video_ : *audio_;
        if (frame->keyframe && packet_ == 0 && video_)
            video_->show_at_once(!audio_ || !log_.has(media::track_kind::audio));
        has_keyframe_ = has_keyframe_ || frame->track == media::track_kind::video;
        for (; packet_ < frame->packets(); ++packet_) {
            if (left-- == 0) {
                not_before_ = now + turn;
                return not_before_;
            }
            const auto& payload = frame->payloads.packets[packet_];
            const auto header = track.next(*frame, packet_);
            if (!send_(header.view(), payload.data))
                ++stats_.unsent;
            ++stats_.packets;
            stats_.bytes += payload.size();
            limit_.sent(payload.size());
        }
        packet_ = 0;
        ++frame_;
    }
    burst_.reset();
    return {};
}

void rtp_viewer::resend(const media::rtcp_nack& asked, time_point now) {
    for (auto* track : {&video_, &audio_}) {
        if (!*track || (*track)->setup().ssrc != asked.ssrc)
            continue;
        const auto kind = track == &video_ ? media::track_kind::video : media::track_kind::audio;
        const auto number = (*track)->sent_as(asked.sequence);
        const auto found = number ? log_.find(kind, *number) : rtp_log::packet{};
        if (!found.frame) {
            ++stats_.not_resent;
            return;
        }
        const auto& payload = found.frame->payloads.packets[found.index];
        // Packet numbers of the two tracks are told apart by the lowest bit.
        const auto name = *number << 1 | (kind == media::track_kind::audio);
        if (!limit_.allow(name, payload.size(), now, round_trip_)) {
            ++stats_.not_resent;
            return;
        }
        const auto header = (*track)->again(*found.frame, found.index);
        ++stats_.resent;
        if (!send_(header.view(), payload.data))
            ++stats_.unsent;
        return;
    }
}

bool rtp_viewer::feedback(
    const media::rtcp_feedback& said, const report_clock& clock, time_point now
) {
    for (const auto& asked : said.nacks)
        resend(asked, now);

    double loss = 0;
    bool ours = false;
    for (const auto& report : said.reports) {
        const bool video = video_ && report.ssrc == video_->setup().ssrc;
        if (!video && !(audio_ && report.ssrc == audio_->setup().ssrc))
            continue;
        ours = true;
        loss = std::max(loss, report.fraction_lost / 2.56);
        if (video || !video_) {
            stats_.lost = report.packets_lost;
            stats_.jitter_ms =
                report.jitter * 1000.0 /
                static_cast<double>(video ? media::clock_rate : media::opus_clock_rate);
        }
        if (report.last_sender_report == 0)
            continue;
        const auto middle = static_cast<std::uint32_t>(clock.ntp(now) >> 16);
        const auto trip = middle - report.last_sender_report - report.delay; // 1/65536 s
        // More than ten seconds, or less than nothing: a report about somebody else's.
        if (trip > 10 * 65'536u)
            continue;
        stats_.round_trip_ms = trip / 65.536;
        round_trip_ = std::clamp<duration>(
            to_duration(trip / 65'536.0),
            std::chrono::milliseconds(10),
            std::chrono::milliseconds(200)
        );
    }
    if (ours)
        stats_.loss_percent = loss;

    const bool asked =
        video_ && std::find(said.keyframes.begin(), said.keyframes.end(), video_->setup().ssrc) !=
                      said.keyframes.end();
    stats_.keyframe_requests += asked;
    return asked;
}

std::vector<media::rtcp_sender_report>
rtp_viewer::sender_reports(const report_clock& clock, time_point now) const {
    std::vector<media::rtcp_sender_report> reports;
    if (!clock.running())
        return reports;
    const auto ntp = clock.ntp(now);
    const auto time = clock.media_time(now);
    if (video_ && video_->started())
        reports.push_back(
            {video_->setup().ssrc,
             ntp,
             static_cast<std::uint32_t>(time),
             video_->packets(),
             video_->octets()}
        );
    if (audio_ && audio_->started())
        reports.push_back(
            {audio_->setup().ssrc,
             ntp,
             static_cast<std::uint32_t>(media::opus_ticks(time)),
             audio_->packets(),
             audio_->octets()}
        );
    return reports;
}

std::vector<std::uint8_t> rtp_viewer::reports(const report_clock& clock, time_point now) const {
    const auto made = sender_reports(clock, now);
    if (made.empty())
        return {};
    return media::write_sender_reports(made, cname_);
}

std::vector<std::uint8_t> rtp_viewer::goodbye(const report_clock& clock, time_point now) const {
    const auto made = sender_reports(clock, now);
    if (made.empty())
        return {};
    return media::write_goodbye(made, cname_);
}

} // namespace rivulet::egress
