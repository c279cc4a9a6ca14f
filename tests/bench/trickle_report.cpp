#include "trickle_report.hpp"

#include <fmt/format.h>

namespace rivulet::bench {

namespace {

using number = std::optional<double>;

// The columns of one row; an absent number is printed as "-" and as null.
struct figures {
    number delivered, p50, p99, p999, cpu, floors, gb_s, rss;
};

number known(double value) {
    return value > 0 ? number(value) : std::nullopt;
}

number ratio(number a, number b) {
    return a && b && *b > 0 ? number(*a / *b) : std::nullopt;
}

figures figures_of(const run_result& run) {
    figures row;
    row.delivered = run.share() * 100;
    row.p50 = run.counts.latency.quantile_ms(0.50);
    row.p99 = run.counts.latency.quantile_ms(0.99);
    row.p999 = run.counts.latency.quantile_ms(0.999);
    row.cpu = ratio(run.cpu_seconds, known(run.delivered_gb));
    row.gb_s = ratio(run.delivered_gb, run.seconds);
    row.rss = run.peak_rss_mb;
    return row;
}

struct all_figures {
    number generator_late_p99;
    figures floor, server, reference, by_reference;

    explicit all_figures(const load_report& report) {
        const auto& load = *report.load;
        if (report.floor)
            floor = figures_of(*report.floor);
        if (report.server) {
            server = figures_of(*report.server);
            if (load.paced())
                generator_late_p99 = report.server->late.quantile_ms(0.99);
        }
        if (floor.cpu)
            floor.floors = 1;
        server.floors = ratio(server.cpu, floor.cpu);
        reference.p99 = known(load.reference_p99_ms);
        reference.cpu = known(load.reference_cpu);
        reference.floors = ratio(reference.cpu, known(load.reference_floor_cpu));
        reference.gb_s = known(load.reference_gb_s);
        reference.rss = known(load.reference_rss_mb);
        by_reference.p99 = ratio(server.p99, reference.p99);
        by_reference.cpu = ratio(server.cpu, reference.cpu);
        by_reference.floors = ratio(server.floors, reference.floors);
        by_reference.gb_s = ratio(server.gb_s, reference.gb_s);
        by_reference.rss = ratio(server.rss, reference.rss);
    }
};

std::string row(std::string_view title, const figures& f) {
    auto cell = [](number n, const char* form) {
        return n ? fmt::format(fmt::runtime(form), *n) : std::string("-");
    };
    return fmt::format(
        "  {:<22}{:>11}{:>9}{:>9}{:>9}{:>10}{:>8}{:>8}{:>9}\n",
        title,
        cell(f.delivered, "{:.3f} %"),
        cell(f.p50, "{:.3f}"),
        cell(f.p99, "{:.3f}"),
        cell(f.p999, "{:.3f}"),
        cell(f.cpu, "{:.3f}"),
        cell(f.floors, "{:.2f}"),
        cell(f.gb_s, "{:.3f}"),
        cell(f.rss, "{:.2f}")
    );
}

std::string object(const figures& f) {
    auto field = [](std::string_view name, number n) {
        return fmt::format("\"{}\": {}", name, n ? fmt::format("{:.6g}", *n) : "null");
    };
    return fmt::format(
        "{{{}, {}, {}, {}, {}, {}, {}, {}}}",
        field("delivered_percent", f.delivered),
        field("p50_ms", f.p50),
        field("p99_ms", f.p99),
        field("p999_ms", f.p999),
        field("cpu_s_per_gb", f.cpu),
        field("cpu_by_floor", f.floors),
        field("gb_per_s", f.gb_s),
        field("peak_rss_mb", f.rss)
    );
}

} // namespace

std::string table(const load_report& report) {
    const auto& load = *report.load;
    auto pace = load.paced() ? fmt::format("{} messages/s", load.rate) : std::string("flat out");
    auto text = fmt::format(
        "{}: {} channel{} x {} x {} KiB, {} subscriber{} each\n",
        load.name,
        load.channels,
        load.channels == 1 ? "" : "s",
        pace,
        load.message_bytes >> 10,
        load.subscribers,
        load.subscribers == 1 ? "" : "s"
    );
    text += fmt::format(
        "  {:<22}{:>11}{:>9}{:>9}{:>9}{:>10}{:>8}{:>8}{:>9}\n",
        "",
        "delivered",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "CPU-s/GB",
        "x floor",
        "GB/s",
        "peak MB"
    );
    all_figures all(report);
    if (report.floor)
        text += row("floor", all.floor);
    if (report.server)
        text += row("server", all.server);
    if (all.reference.cpu) {
        text += row("reference (recorded)", all.reference);
        if (report.server)
            text += row("server / reference", all.by_reference);
    }
    if (all.generator_late_p99 && *all.generator_late_p99 > 2)
        text += fmt::format(
            "  the generator itself was late by {:.1f} ms (p99): this machine is busy\n",
            *all.generator_late_p99
        );
    for (auto* side : {&report.floor, &report.server})
        if (*side && (*side)->counts.problems)
            text += fmt::format(
                "  {} problems, the first: {}\n",
                (*side)->counts.problems,
                (*side)->counts.first_problem
            );
    return text;
}

std::string json(const std::vector<load_report>& reports) {
    std::string text = "{\"loads\": [";
    for (const auto& report : reports) {
        all_figures all(report);
        text += fmt::format(
            "{}\n  {{\"name\": \"{}\",\n   \"floor\": {},\n   \"server\": {},\n"
            "   \"reference\": {},\n   \"server_by_reference\": {},\n   \"problems\": {}}}",
            &report == &reports.front() ? "" : ",",
            report.load->name,
            object(all.floor),
            object(all.server),
            object(all.reference),
            object(all.by_reference),
            (report.server ? report.server->counts.problems : 0) +
                (report.floor ? report.floor->counts.problems : 0)
        );
    }
    return text + "\n]}\n";
}

} // namespace rivulet::bench
