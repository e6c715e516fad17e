"""Word lists from which companies, people and addresses are composed. Everything they make is fictional."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """How names look in one country. `trades`: NACE code -> words; `forms`: legal form -> weight."""

    code: str
    language: str
    cities: tuple[str, ...]
    surnames: tuple[str, ...]
    first_names: tuple[str, ...]
    trades: dict[str, tuple[str, ...]]
    forms: tuple[tuple[str, int], ...]
    family: tuple[str, ...]
    accounting: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace("_", "\u00a0").split())


def _trades(text: str) -> dict[str, tuple[str, ...]]:
    trades: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        code, _sep, words = line.strip().partition(" ")
        trades[code] = tuple(word.strip() for word in words.split(","))
    return trades


ITALY = Country(
    code="IT",
    language="it",
    cities=_words(
        "Milano Torino Bologna Verona Padova Brescia Bergamo Modena Parma Vicenza Treviso Firenze Prato Roma "
        "Napoli Bari Ancona Perugia Genova Udine Trento Mantova Cremona Lucca Pescara Salerno Catania Cagliari"
    ),
    surnames=_words(
        "Rossi Ferrari Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Mancini Costa Giordano Rizzo "
        "Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone Longo "
        "Gentile Martinelli Vitale Lombardo Serra Coppola Marchetti Parisi Villa Conte Ferraro Fabbri Bernardi "
        "Zanetti Pellegrini Benedetti Basile Riva Donati Orlando Sartori Valentini Pagano Piras Neri Testa Grassi"
    ),
    first_names=_words(
        "Anna Marco Luca Giulia Sara Paola Andrea Chiara Stefano Elena Davide Laura Matteo Silvia Roberto Franca "
        "Alessio Marta Giorgio Irene Nicola Teresa Fabio Ilaria Enrico Daniela"
    ),
    trades=_trades(
        """
        25.62 Officine Meccaniche,Torneria,Meccanica di Precisione,Lavorazioni Metalli
        43.21 Impianti,Impianti Elettrici,Elettroimpianti,Termoidraulica
        46.74 Ferramenta,Forniture,Utensileria,Idrosanitari
        46.38 Alimentari,Distribuzione Alimentare,Ortofrutta,Conserve
        49.41 Trasporti,Autotrasporti,Logistica,Spedizioni
        31.01 Arredamenti,Mobili,Falegnameria,Serramenti
        13.20 Tessitura,Filati,Tessuti,Maglieria
        28.99 Macchine Utensili,Automazioni,Costruzioni Meccaniche
        41.20 Costruzioni,Edilizia,Edil,Prefabbricati
        22.29 Materie Plastiche,Stampaggi,Imballaggi
        10.51 Caseificio,Latteria,Casearia
        11.02 Cantine,Vini,Cantina Sociale
        62.01 Informatica,Sistemi,Soluzioni Digitali
        55.10 Alberghi,Hotel,Ricettività
        46.46 Farmaceutici,Medicali,Sanitaria
        17.21 Cartotecnica,Scatolificio,Grafiche
        """
    ),
    forms=(("S.r.l.", 62), ("S.p.A.", 16), ("S.n.c.", 10), ("S.a.s.", 7), ("Soc. Coop.", 5)),
    family=("Fratelli {a}", "{a} & Figli", "{a} e {b}", "Gruppo {a}"),
    accounting="amministrazione",
)

SPAIN = Country(
    code="ES",
    language="es",
    cities=_words(
        "Madrid Barcelona Valencia Sevilla Zaragoza Málaga Murcia Bilbao Alicante Córdoba Valladolid Vigo Gijón "
        "Granada Elche Oviedo Cartagena Jerez Pamplona Almería Burgos Albacete Castellón Logroño Badajoz Lleida"
    ),
    surnames=_words(
        "García Martínez López Sánchez Pérez Gómez Fernández Moreno Jiménez Ruiz Hernández Díaz Álvarez Muñoz "
        "Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano Blanco Molina Suárez "
        "Delgado Castro Ortega Rubio Ortiz Marín Sanz Iglesias Medina Garrido Cortés Castillo Santos Lozano "
        "Guerrero Cano Prieto Méndez Cruz Calvo Gallego Vidal León Márquez Herrera Peña Flores Cabrera"
    ),
    first_names=_words(
        "Carmen Javier Lucía Pablo Marina Diego Elena Sergio Paula Álvaro Beatriz Iván Nuria Rubén Clara Hugo "
        "Pilar Tomás Rocío Andrés Laura Jorge Sonia Raúl Inés Manuel"
    ),
    trades=_trades(
        """
        25.62 Mecanizados,Talleres,Calderería
        43.21 Instalaciones,Montajes Eléctricos,Climatización
        46.74 Suministros,Ferretería,Suministros Industriales
        46.38 Distribuciones,Alimentación,Frutas y Verduras,Conservas
        49.41 Transportes,Logística,Portes
        31.01 Muebles,Carpintería,Mobiliario
        41.20 Construcciones,Obras y Reformas,Promociones
        22.29 Plásticos,Envases,Inyectados
        23.31 Cerámicas,Azulejos,Gres
        11.02 Bodegas,Vinos
        15.20 Calzados,Curtidos
        55.10 Hoteles,Hostelería,Apartamentos
        62.01 Sistemas,Soluciones Informáticas
        46.46 Farmacéutica,Material Sanitario
        10.20 Pescados,Mariscos,Congelados
        """
    ),
    forms=(("S.L.", 68), ("S.A.", 20), ("S.L.U.", 8), ("S.Coop.", 4)),
    family=("Hermanos {a}", "{a} e Hijos", "{a} y {b}", "Grupo {a}"),
    accounting="administracion",
)

FRANCE = Country(
    code="FR",
    language="fr",
    cities=_words(
        "Paris Lyon Marseille Toulouse Nantes Bordeaux Lille Strasbourg Rennes Reims Grenoble Dijon Angers "
        "Saint-Étienne Le_Havre Toulon Nîmes Clermont-Ferrand Tours Limoges Amiens Metz Besançon Orléans Rouen "
        "Mulhouse Caen Nancy Perpignan Annecy"
    ),
    surnames=_words(
        "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel "
        "Garnier Bertrand Roux Vincent Fournier Morel Girard André Mercier Dupont Lambert Bonnet François "
        "Martinez Legrand Faure Rousseau Blanc Guérin Boyer Chevalier Roger Perrin Clément Gauthier Masson "
        "Marchand Duval Denis Lemaire Noël Meyer Dufour Meunier Brun Blanchard Giraud Joly Rivière Brunet Gaillard"
    ),
    first_names=_words(
        "Camille Julien Sophie Antoine Claire Nicolas Émilie Mathieu Isabelle Guillaume Céline Olivier Nathalie "
        "Thomas Hélène Sébastien Aurélie Vincent Lucie Philippe Manon Benoît Sandrine Hugo Chloé Étienne"
    ),
    trades=_trades(
        """
        25.62 Mécanique,Usinage,Tôlerie,Ateliers Mécaniques
        43.21 Électricité,Installations,Génie Climatique
        46.74 Quincaillerie,Fournitures,Outillage
        46.38 Distribution,Primeurs,Alimentaire
        49.41 Transports,Logistique,Messagerie
        31.01 Menuiserie,Agencement,Mobilier
        41.20 Bâtiment,Constructions,Maçonnerie
        22.29 Plasturgie,Emballages,Plastiques
        10.51 Fromagerie,Laiterie,Coopérative Laitière
        11.02 Vignobles,Caves,Domaines
        13.20 Textiles,Tissages,Filature
        55.10 Hôtels,Hôtellerie,Résidences
        62.01 Numérique,Systèmes,Conseil Informatique
        46.46 Pharma,Santé,Matériel Médical
        18.12 Imprimerie,Arts Graphiques
        """
    ),
    forms=(("SAS", 48), ("SARL", 36), ("SA", 10), ("SCOP", 3), ("EURL", 3)),
    family=("{a} Frères", "{a} et Fils", "{a} & {b}", "Établissements {a}"),
    accounting="comptabilite",
)

GERMANY = Country(
    code="DE",
    language="en",
    cities=_words(
        "Berlin Hamburg München Köln Frankfurt Stuttgart Düsseldorf Leipzig Dortmund Essen Bremen Dresden "
        "Hannover Nürnberg Duisburg Bochum Bielefeld Münster Karlsruhe Mannheim Augsburg Kassel Ulm Regensburg "
        "Heilbronn Siegen Rostock Freiburg Osnabrück Paderborn"
    ),
    surnames=_words(
        "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter Klein Wolf "
        "Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler "
        "Maier Schmid Peters Schulze Möller König Kaiser Fuchs Lang Scholz Vogel Jung Keller Roth Frank Berger "
        "Winkler Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter"
    ),
    first_names=_words(
        "Anke Jürgen Katrin Stefan Petra Michael Sabine Thomas Heike Andreas Birgit Markus Silke Frank Ute Jens "
        "Claudia Dirk Nadine Uwe Tanja Holger Simone Ralf Julia Lars"
    ),
    trades=_trades(
        """
        25.62 Zerspanungstechnik,Metallbau,Präzisionstechnik,Maschinenbau
        43.21 Elektrotechnik,Haustechnik,Gebäudetechnik
        46.74 Industriebedarf,Werkzeughandel,Baubeschlag
        46.38 Lebensmittelgroßhandel,Feinkost,Frischdienst
        49.41 Spedition,Transporte,Logistik
        31.01 Möbelwerke,Innenausbau,Tischlerei
        41.20 Bau,Hochbau,Bauunternehmung
        22.29 Kunststofftechnik,Verpackungen,Spritzguss
        28.99 Anlagenbau,Fördertechnik,Automation
        24.51 Gießerei,Guss
        10.71 Backwaren,Bäckerei
        11.05 Brauerei,Getränke
        62.01 Software,Systemhaus,IT-Service
        46.46 Medizintechnik,Sanitätshaus
        29.32 Fahrzeugtechnik,Autoteile
        """
    ),
    forms=(("GmbH", 66), ("GmbH & Co. KG", 18), ("AG", 8), ("OHG", 4), ("KG", 4)),
    family=("Gebr. {a}", "{a} & Sohn", "{a} & {b}", "{a} Gruppe"),
    accounting="buchhaltung",
)

BRITAIN = Country(
    code="GB",
    language="en",
    cities=_words(
        "London Birmingham Manchester Leeds Sheffield Bristol Liverpool Newcastle Nottingham Leicester Coventry "
        "Glasgow Edinburgh Cardiff Belfast Bradford Hull Stoke Derby Southampton Portsmouth Plymouth Reading "
        "Norwich Swansea Aberdeen Preston Exeter York Ipswich"
    ),
    surnames=_words(
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White "
        "Roberts Green Hall Wood Jackson Clarke Harrison Hughes Turner Cooper Hill Ward Morris Moore Clark "
        "Baker King Patel Allen Mitchell Carter Phillips Shaw Bennett Parker Marshall Barker Ellis Chapman "
        "Foster Webb Rogers Palmer Mason Holmes Knight Barnes Fletcher Stevens Graham Dixon Hunt"
    ),
    first_names=_words(
        "Oliver Emma Jack Sophie Harry Grace James Lucy George Hannah Thomas Amelia Daniel Charlotte Ben Olivia "
        "Samuel Rachel Peter Alice Simon Helen Martin Joanne Neil Fiona"
    ),
    trades=_trades(
        """
        25.62 Engineering,Precision Engineering,Fabrications
        43.21 Electrical,Building Services,Heating & Plumbing
        46.74 Hardware,Trade Supplies,Tools
        46.38 Foods,Fine Foods,Catering Supplies
        49.41 Haulage,Logistics,Transport
        31.01 Joinery,Furniture,Interiors
        41.20 Construction,Builders,Homes
        22.29 Plastics,Packaging,Mouldings
        28.99 Machinery,Automation,Controls
        11.05 Brewing,Brewery
        62.01 Software,Systems,Digital
        46.46 Medical,Healthcare Supplies
        50.20 Marine,Offshore,Shipping Services
        18.12 Print,Printers
        55.10 Hotels,Inns,Hospitality
        """
    ),
    forms=(("Ltd", 82), ("PLC", 6), ("LLP", 8), ("Group Ltd", 4)),
    family=("{a} Brothers", "{a} & Sons", "{a} & {b}", "{a} Holdings"),
    accounting="accounts",
)

COUNTRIES = {country.code: country for country in (ITALY, SPAIN, FRANCE, GERMANY, BRITAIN)}
