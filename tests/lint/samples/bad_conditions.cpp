awaitable<void> bad(socket& s) {
    if (co_await ready(s)) // trap A
        stop();
    if (!co_await ready(s)) // trap A
        stop();
    while ((co_await read(s)) > 0) { // trap A
        count();
    }
    switch (co_await kind(s)) { // trap A
    case 1: break;
    }
    if (auto n = count(); co_await ready(s, n)) // trap A
        stop();
    for (int i = 0; co_await ready(s); ++i) // trap A
        stop();
    do {
        count();
    } while (co_await ready(s)); // trap A
    if (limit == co_await read(s)) // trap A
        stop();
    else if (co_await ready(s)) // trap A
        stop();
}
