package directory_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

func TestParseNIP(t *testing.T) {
	pns := directory.Number{NIP: "198609262015051901", Layout: directory.LayoutPNS, Born: "1986-09-26", Year: 2015, Month: 5, Sex: placement.Male}
	pppk := directory.Number{NIP: "199602292024212902", Layout: directory.LayoutPPPK, Born: "1996-02-29", Year: 2024, Sex: placement.Female}
	for name, c := range map[string]struct {
		text string
		want directory.Number
		code string
	}{
		"a PNS as digits":                      {"198609262015051901", pns, ""},
		"blanks as people write it":            {" 19860926 201505 1 901 ", pns, ""},
		"dots, dashes, NBSP and apostrophe":    {"'19860926.201505-1\u00a0901", pns, ""},
		"a PPPK born on a leap day":            {"199602292024212902", pppk, ""},
		"nothing":                              {" ' ", directory.Number{}, "nip-empty"},
		"shortened by an Indonesian sheet":     {"1,98609E+17", directory.Number{}, "nip-scientific"},
		"shortened by an English sheet":        {"1.98609e+17", directory.Number{}, "nip-scientific"},
		"shortened without decimals":           {"2E+17", directory.Number{}, "nip-scientific"},
		"rounded to fifteen places":            {"198609262015051000", directory.Number{}, "nip-zeros"},
		"seventeen digits":                     {"19860926201505190", directory.Number{}, "nip-length"},
		"the old number of nine":               {"131110468", directory.Number{}, "nip-length"},
		"a letter O for a zero":                {"19860926201505190O", directory.Number{}, "nip-letters"},
		"digits of another script":             {"١٩٨٦٠٩٢٦٢٠١٥٠٥١٩٠١", directory.Number{}, "nip-letters"},
		"born on a day that does not exist":    {"198602302015051901", directory.Number{}, "nip-birth"},
		"no leap day in 1900":                  {"190002292015051901", directory.Number{}, "nip-birth"},
		"appointed in month 13":                {"198609262015131901", directory.Number{}, "nip-kind"},
		"appointed in month 0":                 {"198609262015001901", directory.Number{}, "nip-kind"},
		"a PPPK appointed for the zeroth time": {"198609262024201901", directory.Number{}, "nip-kind"},
		"neither man nor woman":                {"198609262015053901", directory.Number{}, "nip-sex"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := directory.ParseNIP(c.text)
			var problem directory.Problem
			errors.As(err, &problem)
			if problem.Code != c.code || (err == nil) != (c.code == "") || got != c.want {
				t.Fatalf("ParseNIP = %+v, %v; want %+v, %q", got, err, c.want, c.code)
			}
			if err == nil {
				return
			}
			if problem.Warning {
				t.Error("what cannot be read is a mere warning")
			}
			said := phrase.New().Say(phrase.Indonesian, "register."+problem.Code, problem.Args)
			if said == "register."+problem.Code || strings.Contains(said, "{") || strings.Contains(said+err.Error(), "19860926") {
				t.Errorf("the sentence is %q, the error %q: want a reason without the number", said, err)
			}
		})
	}
}

func TestNumberDoubts(t *testing.T) {
	const today roster.Date = "2026-01-31"
	for name, c := range map[string]struct {
		nip  string
		kind placement.EmployeeKind
		sex  placement.Sex
		born roster.Date
		want []directory.Problem
	}{
		"all agree":                          {"198609262015051901", placement.PNS, placement.Male, "1986-09-26", nil},
		"nothing else known":                 {"198609262015051901", "", "", "", nil},
		"a CPNS keeps the number":            {"200309262026011901", placement.CPNS, placement.Male, "", nil},
		"a PPPK with a number of a PNS":      {"198609262015051901", placement.PPPK, "", "", []directory.Problem{{Code: "nip-kind-other"}}},
		"a part-time PPPK is only a warning": {"198609262015051901", placement.PPPKPartTime, "", "", warnings("nip-kind-other")},
		"another sex":                        {"198609262015051901", placement.PNS, placement.Female, "", warnings("nip-sex-other")},
		"another day of birth":               {"198609262015051901", placement.PNS, "", "1986-09-25", warnings("nip-birth-other")},
		"sixteen years old":                  {"200902012025051901", placement.PNS, "", "", warnings("nip-age")},
		"seventy-one years old":              {"195501302015051901", placement.PNS, "", "", warnings("nip-age")},
		"appointed as a child":               {"198609261999051901", placement.PNS, "", "", warnings("nip-appointed")},
		"appointed at sixteen":               {"198604261902051901", placement.PNS, "", "", warnings("nip-appointed")},
		"appointed too far ahead":            {"198609262027031901", placement.PNS, "", "", warnings("nip-appointed")},
		"appointed within twelve months":     {"198609262027011901", placement.PNS, "", "", nil},
		"a PPPK before there were any":       {"198609262018211901", placement.PPPK, "", "", warnings("nip-appointed")},
		"a PPPK of this year":                {"198609262026211901", placement.PPPK, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := directory.ParseNIP(c.nip)
			if err != nil {
				t.Fatal(err)
			}
			if got := n.Doubts(c.kind, c.sex, c.born, today); !reflect.DeepEqual(got, c.want) {
				t.Errorf("Doubts = %v, want %v", got, c.want)
			}
		})
	}
}

func warnings(codes ...string) (list []directory.Problem) {
	for _, code := range codes {
		list = append(list, directory.Problem{Code: code, Warning: true})
	}
	return list
}

// Whatever is pasted into a form: a number that is taken is 18 digits, is taken
// again as it is written, and what is refused says why.
func FuzzParseNIP(f *testing.F) {
	for _, seed := range []string{"198609262015051901", "'19960229 202421 2 902", "1,98609E+17", "198609262015051000", "", "19860926\u00a02015051901", "\xff"} {
		f.Add(seed)
	}
	catalogue := phrase.New()
	f.Fuzz(func(t *testing.T, text string) {
		n, err := directory.ParseNIP(text)
		var problem directory.Problem
		if err != nil {
			if !errors.As(err, &problem) || !catalogue.Has("register."+problem.Code) {
				t.Errorf("ParseNIP(%q) = %v, which has no sentence", text, err)
			}
			return
		}
		again, err := directory.ParseNIP(string(n.NIP))
		if err != nil || again != n || len(n.NIP) != 18 || n.Born.Check() != nil {
			t.Errorf("ParseNIP(%q) = %+v, and of its own number %+v, %v", text, n, again, err)
		}
		n.Doubts(placement.PNS, "", "", "2026-01-31")
	})
}

// Whatever a file holds: reading and taking it in ends, and what is taken does not
// contradict itself.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{units, "NIP,Nama,Kode unit,TMT penempatan\n198609262015051901,Satu,1.1,2026-01-01\n", "nip\tnama\n\"", "\ufeffNIK;nama;sampai;mulai\n1234567890123456;A;2020-01-01;2021-01-01\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		rows, err := directory.ReadCSV(strings.NewReader(file))
		if err != nil {
			return
		}
		draft := directory.EmptyDraft(today)
		out, err := draft.Import(rows, nil)
		if err == nil && out.New+out.Changed+out.Same > out.Rows {
			t.Errorf("outcome %+v counts more than its rows", out)
		}
		if err == nil && draft.Check() == nil {
			draft.Table(today)
			draft.UnitTable(today)
		}
	})
}
