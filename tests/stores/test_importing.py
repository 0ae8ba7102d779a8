"""Files of stores: what is read, refused and left as it is (console checks C6, C21, C22)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.system import Api, System
from wallet_service.access.roles import SYSTEM
from wallet_service.cli import main
from wallet_service.errors import Invalid
from wallet_service.stores.cells import spans_in
from wallet_service.stores.csv_file import decoded, match, table_of
from wallet_service.stores.import_jobs import keep_file, run_import, start_import

LYON = {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832}
FRENCH = (
    "Identifiant;Nom;Latitude;Longitude;Adresse;Code postal;Ville;Téléphone;Lundi;Mardi;Dimanche;"
    "Fermé les jours fériés;Texte d’écran verrouillé;Groupes;Surface\r\n"
    "lyon;Lyon Bellecour;45,757;4,832;12 place Bellecour;69002;Lyon;04 72 00 00 00;"
    "10h-12h30 14h-19h;10:00-19:00;fermé;oui;Passez nous voir;Centre, Rhône;120\r\n"
    "paris;Paris Marais;48,859;2,362;;75004;Paris;;9h30 à 20h;;;non;;;80\r\n"
)


def _import(system: System, content: bytes, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = system.api.ok("POST", f"/stores/import{query}", content, Content_Type="text/csv")
    return answer


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_c21_a_french_spreadsheet_is_read_as_it_is(system: System, encoding: str) -> None:
    answer = _import(system, FRENCH.encode(encoding))
    assert (answer["new"], answer["changed"], answer["refused"]) == (2, 0, [])
    lyon = system.api.ok("GET", "/stores/lyon")
    assert (lyon["latitude"], lyon["longitude"]) == (45.757, 4.832)
    assert lyon["phone"] == "04 72 00 00 00"
    assert lyon["opening_hours"] == {
        "mo": [{"from": "10:00", "to": "12:30"}, {"from": "14:00", "to": "19:00"}],
        "tu": [{"from": "10:00", "to": "19:00"}],
        "closed_on_public_holidays": True,
    }
    assert lyon["proximity_text"] == {"fr": "Passez nous voir"}
    assert lyon["groups"] == ["Centre", "Rhône"]
    assert lyon["address"]["city"] == "Lyon"
    paris = system.api.ok("GET", "/stores/paris")
    assert paris["opening_hours"] == {"mo": [{"from": "09:30", "to": "20:00"}]}


def test_twice_is_as_once(system: System) -> None:
    _import(system, FRENCH.encode())
    walks = system.rows("SELECT count(*) AS n FROM campaigns")
    entries = system.rows("SELECT count(*) AS n FROM journal")
    again = _import(system, FRENCH.encode())
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert system.rows("SELECT count(*) AS n FROM campaigns") == walks
    assert system.rows("SELECT count(*) AS n FROM journal") == entries
    assert entries == [{"n": 2}], "one for each store"
    assert system.api.ok("GET", "/stores/lyon")["version"] == 1


def test_an_export_imported_again_changes_nothing(system: System, tmp_path: Path) -> None:
    store = LYON | {
        "short_name": "=1+1",
        "phone": "+33 4 72 00 00 00",
        "opening_hours": {
            "sa": [{"from": "10:00", "to": "00:00"}],
            "exceptions": {"2026-12-24": [{"from": "10:00", "to": "17:00"}], "2026-12-25": []},
            "closed_on_public_holidays": True,
        },
        "proximity_text": {"fr": "Bonjour", "en": "Hello; you"},
        "groups": ["centre", "sud"],
        "beacons": [{"uuid": "A" * 8 + "-AAAA-AAAA-AAAA-" + "A" * 12, "major": 1, "minor": 2}],
        "address": {"street": '12, "place" Bellecour', "city": "Lyon", "country": "FR"},
    }
    system.api.ok("PUT", "/stores/lyon", store)
    system.api.ok("PUT", "/stores/paris", LYON | {"name": "-Paris", "opening_hours": "Mo-Sa 10:00-19:00; PH off"})
    before = system.api.ok("GET", "/stores")
    path = tmp_path / "stores.csv"
    assert _cli(system, "export", "--program", "lumiere", "--output", str(path)).exit_code == 0
    assert "=1+1" not in [cell for line in path.read_text("utf-8").splitlines() for cell in line.split(";")]
    result = _cli(system, "import", str(path), "--program", "lumiere")
    assert result.exit_code == 0, result.output
    assert "0 new, 0 changed, 2 unchanged, 0 refused" in result.output
    assert system.api.ok("GET", "/stores") == before


def test_c22_each_refused_row_says_its_line_and_why_in_both_languages(system: System, tmp_path: Path) -> None:
    rows = [
        "code,name,notes,lat,lon,monday,phone",
        "a,,,45.7,4.8,,",
        "b,B,,4.832,45.757,,",
        'c,C,"first\nsecond line",north,4.8,noon,x',
        "a,Again,,45.7,4.8,,",
        "d,D,,45.7,4.8,10:00-19:00,0472000000",
        ",E,,45.7,4.8,,",
    ]
    path = tmp_path / "stores.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    refused = tmp_path / "refused.csv"
    result = _cli(system, "import", str(path), "--program", "lumiere", "--refused", str(refused))
    assert result.exit_code == 1
    assert "1 new, 0 changed, 0 unchanged, 5 refused" in result.output
    answer = _import(system, path.read_bytes(), "?rehearse=true")
    found = {row["line"]: row["reasons"] for row in answer["refused"]}
    assert sorted(found) == [2, 3, 4, 6, 8]
    assert found[2]["fr"] == ["Nom\u202f: Remplissez ce champ."]
    assert "inversées" in found[3]["fr"][0]
    assert "swapped" in found[3]["en"][0]
    assert len(found[4]["en"]) == 3, "every fault of a row, not the first alone"
    assert "line 2" in found[6]["en"][0]
    assert "ligne 2" in found[6]["fr"][0]
    text = refused.read_text("utf-8-sig")
    assert text.splitlines()[0] == "code;name;notes;lat;lon;monday;phone;Ligne / Line;Motif (fr);Reason (en)"
    assert "second line" in text
    corrected = text.replace(";north;", ";45,7;").replace(";noon;x;", ";;;")
    answer = _import(system, corrected.encode(), "?rehearse=true")
    assert answer["new"] == 1, "what was corrected comes in again as it is"


def test_a_rehearsal_changes_nothing(system: System) -> None:
    answer = _import(system, FRENCH.encode(), "?rehearse=true")
    assert answer["rehearsed"]
    assert answer["new"] == 2
    assert system.api.ok("GET", "/stores")["items"] == []
    assert system.rows("SELECT id FROM journal") == []


def test_a_column_that_is_not_there_leaves_the_value_and_an_empty_cell_empties_it(system: System) -> None:
    _import(system, FRENCH.encode())
    _import(system, b"store_id;phone\nlyon;\n")
    lyon = system.api.ok("GET", "/stores/lyon")
    assert lyon["phone"] is None
    assert lyon["name"] == "Lyon Bellecour"
    assert lyon["opening_hours"]["closed_on_public_holidays"] is True


def test_coordinates_may_be_a_map_link(system: System) -> None:
    answer = _import(system, b"id\tnom\tgps\nlyon\tLyon\thttps://www.openstreetmap.org/#map=17/45.757/4.832\n")
    assert answer["refused"] == []
    assert system.api.ok("GET", "/stores/lyon")["longitude"] == 4.832


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_rows"),
        (b"store_id;name\n", "no_rows"),
        (b"name;latitude\nLyon;45\n", "no_column"),
        (b"\x00\x01\x02", None),
    ],
)
def test_a_file_that_is_none_is_refused_whole(system: System, content: bytes, code: str | None) -> None:
    answer = system.api("POST", "/stores/import", content, Content_Type="text/csv")
    assert answer.status_code == 422
    if code is not None:
        assert answer.json()["faults"][0]["code"] == code


def test_c3_a_key_of_one_store_imports_nothing(system: System) -> None:
    from wallet_service.access.api_keys import create_key

    system.api.ok("PUT", "/stores/lyon", LYON)
    with system.services.sessions.begin() as db:
        key = create_key(db, "lumiere", "till", role="store", scopes=(), store_id="lyon", now=system.clock())
    answer = system.api("POST", "/stores/import", FRENCH.encode(), Authorization=f"Bearer {key}")
    assert answer.status_code == 403
    assert [store["name"] for store in system.api.ok("GET", "/stores")["items"]] == ["Lyon Bellecour"]
    assert system.api.ok("GET", "/stores/lyon")["phone"] is None


def test_what_somebody_chooses_for_a_column_goes_before_its_name() -> None:
    table = table_of(decoded(b"a;Nom;b\n1;2;3\n"))
    assert match(table, ["fr"]) == {1: "name"}
    assert match(table, ["fr"], {"0": "store_id", "1": "-", "2": "name"}) == {0: "store_id", 2: "name"}


def _cli(system: System, *arguments: str) -> Any:
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.url}
    return CliRunner(env=environment).invoke(main, ["stores", *arguments])


@pytest.mark.parametrize(
    ("cell", "spans"),
    [
        ("9h-12h 14h-19h", [("09:00", "12:00"), ("14:00", "19:00")]),
        ("9h-12h 13h30-19h", [("09:00", "12:00"), ("13:30", "19:00")]),
        ("9 h – 12 h 14 h – 19 h", [("09:00", "12:00"), ("14:00", "19:00")]),
        ("9 h 30 – 12 h 15, 14 h – 19 h 45", [("09:30", "12:15"), ("14:00", "19:45")]),
        ("9h30-12h15 et 14h-19h", [("09:30", "12:15"), ("14:00", "19:00")]),
        ("10-12 14-19", [("10:00", "12:00"), ("14:00", "19:00")]),
        ("9h à 12h 14h à 19h", [("09:00", "12:00"), ("14:00", "19:00")]),
        ("10:00-19:00", [("10:00", "19:00")]),
    ],
)
def test_hours_are_read_as_people_write_them(cell: str, spans: list[tuple[str, str]]) -> None:
    assert spans_in("mo", cell) == [{"from": opens, "to": closes} for opens, closes in spans]


@pytest.mark.parametrize("cell", ["9h-12h 14", "9h-12h 14h", "9h", "25h-26h", "9h-12h 14h-19h 20h-21h"])
def test_hours_that_say_nothing_are_refused(cell: str) -> None:
    with pytest.raises(Invalid):
        spans_in("mo", cell)


def test_two_files_of_the_same_stores_at_once_both_end(system: System) -> None:
    services = system.services
    numbers: list[int] = []
    for order in (range(400), reversed(range(400))):
        rows = "".join(f"s{number};Magasin {len(numbers)};45,7;4,8\n" for number in order)
        with services.sessions.begin() as db:
            document = services.program_cache.program(db, "lumiere").document
            text = "code;nom;lat;lon\n" + rows
            kept = keep_file(db, "lumiere", SYSTEM, file_name="x", text=text, columns={}, now=system.clock())
            start_import(db, document, kept, SYSTEM, now=system.clock())
            numbers.append(kept)
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(
            lambda kept: run_import(services.sessions, services.program_cache, kept, now=system.clock), numbers
        )
        assert list(ends) == [None, None]
    assert system.rows("SELECT state, done FROM store_imports") == [{"state": "applied", "done": 400}] * 2


def test_a_store_made_by_many_at_once_is_made_once(system: System) -> None:
    def put(number: int) -> int:
        return Api(system.api.base, system.api.key)("PUT", "/stores/new", LYON | {"name": str(number)}).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(put, range(8)))
    assert answers == [200] * 7 + [201]
    assert system.rows("SELECT version FROM stores") == [{"version": 8}]
    actions = [row["action"] for row in system.rows("SELECT action FROM journal WHERE object_kind = 'store'")]
    assert sorted(actions) == ["store_changed"] * 7 + ["store_created"]

    def delete(_number: int) -> int:
        return Api(system.api.base, system.api.key)("DELETE", "/stores/new").status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(delete, range(4))) == [204, 404, 404, 404]
    assert len(system.rows("SELECT id FROM journal WHERE action = 'store_deleted'")) == 1
